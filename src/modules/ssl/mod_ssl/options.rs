//! Bits of SSLOptions.

pub const STD_ENV_VARS: u32 = 1;
pub const EXPORT_CERT_DATA: u32 = 2;
pub const FAKE_BASIC_AUTH: u32 = 4;
pub const STRICT_REQUIRE: u32 = 8;
pub const OPT_RENEGOTIATE: u32 = 16;
pub const LEGACY_DN_FORMAT: u32 = 32;

pub const NAMES: &[(&str, u32)] = &[
    ("StdEnvVars", STD_ENV_VARS),
    ("ExportCertData", EXPORT_CERT_DATA),
    ("FakeBasicAuth", FAKE_BASIC_AUTH),
    ("StrictRequire", STRICT_REQUIRE),
    ("OptRenegotiate", OPT_RENEGOTIATE),
    ("LegacyDNStringFormat", LEGACY_DN_FORMAT),
];
