//! Every native module, by Apache's own categories.

pub mod aaa;
pub mod arch;
pub mod cache;
pub mod core;
pub mod filters;
pub mod generators;
pub mod http;
pub mod http2;
pub mod loggers;
pub mod mappers;
pub mod metadata;
pub mod mpm;
pub mod proxy;
pub mod session;
pub mod slotmem;
pub mod ssl;

use crate::module::Module;

/// All modules: those linked in first, in the order of `httpd -l`, then those that LoadModule switches on.
pub static REGISTRY: &[&Module] = &[
    &core::core::MODULE,
    &core::mod_so::MODULE,
    &core::mod_watchdog::MODULE,
    &http::http_core::MODULE,
    &loggers::mod_log_config::MODULE,
    &loggers::mod_logio::MODULE,
    &core::mod_version::MODULE,
    &arch::mod_unixd::MODULE,
    &mpm::event::MODULE,
    &mpm::worker::MODULE,
    &mpm::prefork::MODULE,
    &arch::mod_systemd::MODULE,
    &core::mod_macro::MODULE,
    &aaa::mod_access_compat::MODULE,
    &aaa::mod_allowmethods::MODULE,
    &aaa::mod_auth_basic::MODULE,
    &aaa::mod_auth_digest::MODULE,
    &aaa::mod_auth_form::MODULE,
    &aaa::mod_authn_anon::MODULE,
    &aaa::mod_authn_core::MODULE,
    &aaa::mod_authn_dbm::MODULE,
    &aaa::mod_authn_file::MODULE,
    &aaa::mod_authn_socache::MODULE,
    &aaa::mod_authz_core::MODULE,
    &aaa::mod_authz_dbm::MODULE,
    &aaa::mod_authz_groupfile::MODULE,
    &aaa::mod_authz_host::MODULE,
    &aaa::mod_authz_owner::MODULE,
    &aaa::mod_authz_user::MODULE,
    &cache::mod_cache::MODULE,
    &cache::mod_cache_disk::MODULE,
    &cache::mod_cache_socache::MODULE,
    &cache::mod_socache_dbm::MODULE,
    &cache::mod_socache_shmcb::MODULE,
    &filters::mod_brotli::MODULE,
    &filters::mod_buffer::MODULE,
    &filters::mod_charset_lite::MODULE,
    &filters::mod_data::MODULE,
    &filters::mod_deflate::MODULE,
    &filters::mod_ext_filter::MODULE,
    &filters::mod_filter::MODULE,
    &filters::mod_include::MODULE,
    &filters::mod_proxy_html::MODULE,
    &filters::mod_ratelimit::MODULE,
    &filters::mod_reqtimeout::MODULE,
    &filters::mod_request::MODULE,
    &filters::mod_sed::MODULE,
    &filters::mod_substitute::MODULE,
    &filters::mod_xml2enc::MODULE,
    &generators::mod_asis::MODULE,
    &generators::mod_autoindex::MODULE,
    &generators::mod_cgi::MODULE,
    &generators::mod_cgid::MODULE,
    &generators::mod_echo::MODULE,
    &generators::mod_imagemap::MODULE,
    &generators::mod_info::MODULE,
    &generators::mod_reflector::MODULE,
    &generators::mod_status::MODULE,
    &http::mod_mime::MODULE,
    &http2::mod_http2::MODULE,
    &loggers::mod_dumpio::MODULE,
    &loggers::mod_log_debug::MODULE,
    &loggers::mod_log_forensic::MODULE,
    &mappers::mod_actions::MODULE,
    &mappers::mod_alias::MODULE,
    &mappers::mod_dir::MODULE,
    &mappers::mod_negotiation::MODULE,
    &mappers::mod_rewrite::MODULE,
    &mappers::mod_speling::MODULE,
    &mappers::mod_userdir::MODULE,
    &mappers::mod_vhost_alias::MODULE,
    &metadata::mod_cern_meta::MODULE,
    &metadata::mod_env::MODULE,
    &metadata::mod_expires::MODULE,
    &metadata::mod_headers::MODULE,
    &metadata::mod_mime_magic::MODULE,
    &metadata::mod_remoteip::MODULE,
    &metadata::mod_setenvif::MODULE,
    &metadata::mod_unique_id::MODULE,
    &metadata::mod_usertrack::MODULE,
    &proxy::balancers::mod_lbmethod_bybusyness::MODULE,
    &proxy::balancers::mod_lbmethod_byrequests::MODULE,
    &proxy::balancers::mod_lbmethod_bytraffic::MODULE,
    &proxy::mod_proxy::MODULE,
    &proxy::mod_proxy_ajp::MODULE,
    &proxy::mod_proxy_balancer::MODULE,
    &proxy::mod_proxy_connect::MODULE,
    &proxy::mod_proxy_express::MODULE,
    &proxy::mod_proxy_fcgi::MODULE,
    &proxy::mod_proxy_hcheck::MODULE,
    &proxy::mod_proxy_http::MODULE,
    &proxy::mod_proxy_scgi::MODULE,
    &proxy::mod_proxy_uwsgi::MODULE,
    &session::mod_session::MODULE,
    &session::mod_session_cookie::MODULE,
    &session::mod_session_crypto::MODULE,
    &proxy::mod_proxy_wstunnel::MODULE,
    &slotmem::mod_slotmem_plain::MODULE,
    &slotmem::mod_slotmem_shm::MODULE,
    &ssl::mod_ssl::MODULE,
];
