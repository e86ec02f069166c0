//! The configuration language: lines, quoting, sections, contexts, includes, defines, conditions, macros, merges, .htaccess.

use compat_tests::group;

#[test]
fn lines_and_quoting() {
    group("lines and quoting").file("conf/empty.conf", "").syntax(&[
        "KeepAlive On # why not",
        "KeepAlive On Off",
        "ServerAdmin a@b # comment",
        "Alias /a /b # comment",
        "DirectoryIndex a b # c",
        "ServerAdmin \"a@b",
        "ServerAdmin 'a@b",
        "ServerAdmin a\"b c\"",
        "ServerAdmin \"a\"b",
        "ServerAdmin \"a\" b",
        "ServerAdmin \"a \\\" b\"",
        "ServerAdmin \"a \\' b\"",
        "ServerAdmin 'a \" b'",
        "ServerAdmin \"\"",
        "ServerAdmin",
        "ServerAdmin a\\ b",
        "DirectoryIndex a \\ \nb",
        "DirectoryIndex a \\\nb",
        "# comment \\\nFooBar\nBarFoo",
        "DirectoryIndex a \\",
        "DirectoryIndex a\r\nDirectoryIndex b\r\n",
        "DirectoryIndex a \\\r\nb\r\n",
        "\u{feff}DirectoryIndex a",
        "DirectoryIndex\ta",
        "\t  DirectoryIndex a  \t",
        "directoryindex a",
        "DIRECTORYINDEX a",
        "DirectoryIndex\u{a0}a",
        "DirectoryIndex\u{b}a",
        "DirectoryIndex\u{c}a",
        "DirectoryIndex \0a",
        "FooBar",
        "FooBar on",
        "FooBar\\\nBaz on",
        "Foo:Bar on",
        "   \n\n\n   FooBar",
        "\\",
        "\\\n\\\nFooBar",
        "=",
        "<",
        ">",
        "<>",
        "</>",
        "\"ServerAdmin\" a",
        "DirectoryIndex a #",
        "DirectoryIndex #",
        "#DirectoryIndex",
        "##",
    ]);
}

#[test]
fn odd_bytes() {
    let long = format!("DirectoryIndex {}", "a ".repeat(5000));
    let too_long = format!("ServerAdmin {}", "a".repeat(17 * 1024 * 1024));
    let many = "ServerAdmin a@b\n".repeat(3000) + "FooBar";
    let nested = "<IfModule core.c>\n".repeat(60) + "FooBar\n" + &"</IfModule>\n".repeat(60);
    group("odd bytes").syntax(&[
        b"DirectoryIndex \xe9t\xe9".as_slice(),
        b"Foo\xe9Bar on",
        b"\xef\xbb\xbf# only a comment",
        b"DirectoryIndex a\0b c\nFooBar",
        b"Direc\0toryIndex a",
        b"\x01",
        b"ServerAdmin \x7f",
        long.as_bytes(),
        too_long.as_bytes(),
        many.as_bytes(),
        nested.as_bytes(),
        b"",
        b"\n",
        b"\r\n\r\n",
        b"DirectoryIndex a\rDirectoryIndex b",
    ]);
}

#[test]
fn section_lines() {
    group("section lines").syntax(&[
        "<IfModule core.c>\n</IfModule core.c>",
        "<IfModule core.c>\n</IfModule >",
        "<IfModule core.c>\n</IfDefine>",
        "<IfModule core.c>\n</ifmodule>",
        "<IFMODULE core.c>\n</IfModule>",
        "< IfModule core.c>\n</IfModule>",
        "<Directory /x>\n</ Directory>",
        "<Directory /x\n</Directory>",
        "<Directory /x> junk\n</Directory>",
        "<Directory /x> # comment\n</Directory>",
        "<Directory /x >\n</Directory>",
        "<Directory /x /y>\n</Directory>",
        "<Directory>\n</Directory>",
        "<Directory \"\">\n</Directory>",
        "<Directory x>\n</Directory>",
        "<Directory ~ \"(\">\n</Directory>",
        "<Directory ~ \"^/x\">\n</Directory>",
        "<Directory ~>\n</Directory>",
        "<Directory \"/x>\n</Directory>",
        "<Directory /x>",
        "</Directory>",
        "<Directory /x>\n<Files a>\n</Directory>\n</Files>",
        "<Directory /x>\n</Directory>\n</Directory>",
        "<Directory /x>\n</Directory",
        "<Directory /x>\n</Directory> junk",
        "<Foo>\n</Foo>",
        "<Foo bar>\n</Foo>",
        "<Directory /x>\nFooBar\n</Directory>",
        "<DirectoryMatch (>\n</DirectoryMatch>",
        "<DirectoryMatch>\n</DirectoryMatch>",
        "<DirectoryMatch ^/x>\n</DirectoryMatch>",
        "<FilesMatch \"(\">\n</FilesMatch>",
        "<FilesMatch>\n</FilesMatch>",
        "<Files>\n</Files>",
        "<Files a b>\n</Files>",
        "<Files ~ \"(\">\n</Files>",
        "<LocationMatch \"(\">\n</LocationMatch>",
        "<Location>\n</Location>",
        "<Location /a /b>\n</Location>",
        "<Location a>\n</Location>",
        "<VirtualHost>\n</VirtualHost>",
        "<VirtualHost *:@PORT@>\n</VirtualHost",
        "<VirtualHost *:@PORT@\n</VirtualHost>",
        "<VirtualHost *:99999>\n</VirtualHost>",
        "<VirtualHost localhost:@PORT@>\n</VirtualHost>",
        "<VirtualHost 127.0.0.1>\n</VirtualHost>",
        "<VirtualHost [::1]:80>\n</VirtualHost>",
        "<VirtualHost _default_:80>\n</VirtualHost>",
        "<VirtualHost *:*>\n</VirtualHost>",
        "<VirtualHost no-such-host.invalid:80>\nServerName x\n</VirtualHost>",
        "<Limit>\n</Limit>",
        "<Limit GET>\n</Limit>",
        "<Limit FOO>\nRequire all denied\n</Limit>",
        "<Limit TRACE>\n</Limit>",
        "<LimitExcept GET>\n</LimitExcept>",
        "<LimitExcept>\n</LimitExcept>",
        "<Limit GET>\nDirectoryIndex a\n</Limit>",
        "<Limit GET>\n<Limit POST>\n</Limit>\n</Limit>",
    ]);
}

#[test]
fn contexts() {
    group("contexts").syntax(&[
        "<Directory /x>\n<Directory /y>\n</Directory>\n</Directory>",
        "<Directory /x>\n<VirtualHost *:80>\n</VirtualHost>\n</Directory>",
        "<Directory /x>\n<Location /y>\n</Location>\n</Directory>",
        "<Directory /x>\n<Files a>\n</Files>\n</Directory>",
        "<Directory /x>\n<If \"true\">\n<Files a>\n</Files>\n</If>\n</Directory>",
        "<VirtualHost *:@PORT@>\n<If \"true\">\n<Location /x>\n</Location>\n</If>\n</VirtualHost>",
        "<Location /x>\n<Files a>\n</Files>\n</Location>",
        "<Location /x>\n<Directory /a>\n</Directory>\n</Location>",
        "<Files a>\n<Files b>\n</Files>\n</Files>",
        "<Files a>\n<Location /b>\n</Location>\n</Files>",
        "<VirtualHost *:80>\n<VirtualHost *:80>\n</VirtualHost>\n</VirtualHost>",
        "<If \"true\">\n<Directory /x>\n</Directory>\n</If>",
        "<Directory /x>\nListen 81\n</Directory>",
        "<VirtualHost *:80>\nListen 81\n</VirtualHost>",
        "<VirtualHost *:80>\nUser www-data\n</VirtualHost>",
        "<VirtualHost *:80>\nPidFile x\n</VirtualHost>",
        "<VirtualHost *:80>\nThreadsPerChild 3\n</VirtualHost>",
        "<VirtualHost *:80>\nServerRoot /tmp\n</VirtualHost>",
        "<VirtualHost *:80>\nLoadModule x x.so\n</VirtualHost>",
        "<Directory /x>\nLoadModule macro_module /usr/lib/apache2/modules/mod_macro.so\n</Directory>",
        "<Directory /x>\nServerName a\n</Directory>",
        "<Directory /x>\nDocumentRoot /tmp\n</Directory>",
        "<Directory /x>\nServerAlias a\n</Directory>",
        "<Directory /x>\nServerAdmin a\n</Directory>",
        "<Directory /x>\nErrorLog logs/e\n</Directory>",
        "<Directory /x>\nLogLevel info\n</Directory>",
        "<Directory /x>\nKeepAlive On\n</Directory>",
        "<Directory /x>\nTimeout 5\n</Directory>",
        "<Directory /x>\nCustomLog logs/x common\n</Directory>",
        "<Directory /x>\nTypesConfig conf/mime.types\n</Directory>",
        "<Location /x>\nOptions Indexes\n</Location>",
        "<Location /x>\nAllowOverride All\n</Location>",
        "<Files x>\nAllowOverride All\n</Files>",
        "<DirectoryMatch ^/x>\nAllowOverride All\n</DirectoryMatch>",
        "AllowOverride All",
        "<Location /x>\nDirectoryIndex a\n</Location>",
        "ServerAlias a",
        "ServerPath /x",
        "Require all granted",
        "AuthType Basic",
        "Order allow,deny",
        "SetHandler none",
        "Options None",
        "<Directory /x>\nFileETag None\n</Directory>",
        "<Directory /x>\nAccessFileName x\n</Directory>",
        "<Directory /x>\nServerSignature On\n</Directory>",
        "<Directory /x>\nServerTokens Prod\n</Directory>",
        "<VirtualHost *:80>\nServerTokens Prod\n</VirtualHost>",
        "<VirtualHost *:80>\nTraceEnable off\n</VirtualHost>",
        "<Directory /x>\nTraceEnable off\n</Directory>",
        "<VirtualHost *:80>\nMutex default\n</VirtualHost>",
        "<Directory /x>\nDefine A b\n</Directory>",
        "<Directory /x>\nUnDefine A\n</Directory>",
        "<VirtualHost *:80>\nDefine A b\n</VirtualHost>",
        "<Directory /x>\nExtendedStatus On\n</Directory>",
        "<Directory /x>\nSetEnvIf a b c\n</Directory>",
        "<Directory /x>\nRequestReadTimeout header=5\n</Directory>",
        "<Directory /x>\nDeflateMemLevel 9\n</Directory>",
    ]);
}

#[test]
fn argument_shapes() {
    group("argument shapes").syntax(&[
        "KeepAlive",
        "KeepAlive maybe",
        "KeepAlive on",
        "KeepAlive OFF",
        "ServerName",
        "ServerName a b",
        "ServerName \"a b\"",
        "ServerName http://x:81",
        "ServerName x:99999",
        "ServerName x:y",
        "ServerName a/b",
        "Listen bad",
        "Listen",
        "Listen 0",
        "Listen 99999",
        "Listen -1",
        "Listen 443 https",
        "Listen *:80",
        "Listen 1.2.3.4:80",
        "Listen 1.2.3.4",
        "Listen [::1]:80",
        "Listen [::1]",
        "Listen ::1",
        "Listen 300.1.1.1:80",
        "Listen 80 https junk",
        "Listen 127.0.0.1:@PORT@",
        "ListenBackLog 0",
        "ListenBackLog x",
        "NameVirtualHost *:80",
        "MaxClients 10",
        "MaxRequestsPerChild 3",
        "DefaultType text/plain",
        "DefaultType none",
        "Timeout -5",
        "Timeout 5s",
        "Timeout x",
        "Timeout",
        "KeepAliveTimeout 5s",
        "KeepAliveTimeout 500ms",
        "KeepAliveTimeout 5x",
        "KeepAliveTimeout -1",
        "MaxKeepAliveRequests x",
        "LimitRequestBody -1",
        "LimitRequestBody x",
        "LimitRequestBody 99999999999999999999",
        "LimitRequestFields -1",
        "LimitRequestFields x",
        "LimitRequestFieldSize -1",
        "LimitRequestLine -1",
        "LimitXMLRequestBody -1",
        "LimitInternalRecursion 0",
        "LimitInternalRecursion 1 2",
        "LogLevel info",
        "LogLevel info ssl:debug",
        "LogLevel core:trace8 foo:warn",
        "LogLevel foo",
        "LogLevel",
        "LogLevel core:foo",
        "LogLevel mod_dir.c:info dir_module:warn",
        "Options",
        "Options Foo",
        "Options -Indexes FollowSymLinks",
        "Options +Indexes -FollowSymLinks",
        "Options Indexes,FollowSymLinks",
        "Options All",
        "Options None All",
        "Options None -1",
        "Options None +Indexes",
        "Options None Indexes +FollowSymLinks",
        "Options None -Indexes FollowSymLinks",
        "Options None -Indexes +All",
        "Options None -None",
        "Options All -Indexes",
        "Options All Indexes -Includes",
        "Options +Indexes +None",
        "Options -None",
        "Options +",
        "<Directory /x>\nOptions MultiViews +Indexes\n</Directory>",
        "<Directory /x>\nAllowOverride Foo\n</Directory>",
        "<Directory /x>\nAllowOverride \"None\"\n</Directory>",
        "<Directory /x>\nAllowOverride None All\n</Directory>",
        "<Directory /x>\nAllowOverride AuthConfig Options=Indexes,FollowSymLinks\n</Directory>",
        "<Directory /x>\nAllowOverride Options=Foo\n</Directory>",
        "<Directory /x>\nAllowOverride Nonfatal=All\n</Directory>",
        "<Directory /x>\nAllowOverride Nonfatal=Foo\n</Directory>",
        "<Directory /x>\nAllowOverrideList None\n</Directory>",
        "<Directory /x>\nAllowOverrideList FooBar\n</Directory>",
        "<Directory /x>\nAllowOverrideList Redirect Listen\n</Directory>",
        "AcceptPathInfo maybe",
        "AcceptPathInfo default",
        "AllowEncodedSlashes maybe",
        "AllowEncodedSlashes NoDecode",
        "MergeSlashes x",
        "UseCanonicalName DNS",
        "UseCanonicalName x",
        "UseCanonicalPhysicalPort x",
        "ServerTokens Foo",
        "ServerTokens",
        "ServerTokens Minimal",
        "ServerSignature x",
        "ServerSignature EMail",
        "FileETag Foo",
        "FileETag +INode -Size",
        "FileETag INode +Size",
        "FileETag None",
        "FileETag None INode",
        "FileETag Digest",
        "FileETag",
        "TraceEnable x",
        "TraceEnable extended",
        "HostnameLookups x",
        "HostnameLookups Double",
        "EnableSendfile x",
        "EnableMMAP x",
        "ContentDigest x",
        "HttpProtocolOptions Foo",
        "HttpProtocolOptions Unsafe",
        "HttpProtocolOptions Strict LenientMethods Allow0.9",
        "HttpProtocolOptions Strict Unsafe",
        "ErrorDocument 404",
        "ErrorDocument 999 x",
        "ErrorDocument 404 default",
        "ErrorDocument 404 /x y z",
        "ErrorDocument foo x",
        "ErrorDocument 401 http://x/",
        "ErrorDocument 600 x",
        "ErrorDocument 100 x",
        "ErrorDocument 200 x",
        "ErrorDocument 304 x",
        "ErrorDocument 306 x",
        "ErrorDocument 418 x",
        "ErrorDocument 425 x",
        "ErrorDocument +404 x",
        "ErrorDocument 404x x",
        "ErrorDocument ' 0404' x",
        "ErrorDocument -404 x",
        "ErrorDocument 65936 x",
        "ErrorDocument 4294967700 x",
        "Protocols",
        "Protocols http/1.1 foo",
        "ProtocolsHonorOrder x",
        "Mutex foo",
        "Mutex file:/nonexistent default",
        "Mutex sem",
        "Mutex yes",
        "Mutex no",
        "Mutex no rewrite-map",
        "Mutex pthread default",
        "User nosuchuser",
        "Group nosuchgroup",
        "Group #-1",
        "User #33",
        "User",
        "PidFile",
        "ServerRoot /nonexistent",
        "DocumentRoot /nonexistent",
        "DocumentRoot @ROOT@/conf/httpd.conf",
        "<VirtualHost *:@PORT@>\nDocumentRoot /nonexistent\n</VirtualHost>",
        "DefaultRuntimeDir /nonexistent",
        "CoreDumpDirectory /nonexistent",
        "CoreDumpDirectory /etc/passwd",
        "ErrorLog /nonexistent/x",
        "ErrorLog",
        "ErrorLog |",
        "CustomLog /nonexistent/x common",
        "ScoreBoardFile",
        "RLimitCPU x",
        "RLimitCPU max",
        "RLimitMEM",
        "RLimitNPROC 5 10",
        "RegexDefaultOptions foo",
        "RegexDefaultOptions EXTENDED",
        "RegexDefaultOptions -none",
        "RegexDefaultOptions +none",
        "RegexDefaultOptions",
        "RegexDefaultOptions +",
        "RegexDefaultOptions +DOTALL -DOLLAR_ENDONLY",
        "MaxRanges x",
        "MaxRanges none",
        "MaxRanges 0",
        "MaxRangeOverlaps -1",
        "MaxRangeReversals unlimited",
        "ReadBufferSize x",
        "FlushMaxThreshold x",
        "FlushMaxPipelined x",
        "StrictHostCheck x",
        "QualifyRedirectURL on",
        "MergeTrailers maybe",
        "AccessFileName",
        "GprofDir x",
        "AsyncFilter x",
        "CGIPassAuth x",
        "<Directory /x>\nCGIVar REQUEST_URI foo\n</Directory>",
        "Error \"stop here\"",
        "Error stop here",
        "Error",
    ]);
}

#[test]
fn mpm_limits() {
    group("mpm limits").syntax(&[
        "ThreadsPerChild 0",
        "ThreadsPerChild x",
        "ThreadsPerChild 100",
        "ThreadLimit 10\nThreadsPerChild 20",
        "ThreadLimit 0",
        "ThreadLimit 99999999",
        "ServerLimit 0",
        "ServerLimit 99999999",
        "ServerLimit 2\nMaxRequestWorkers 64",
        "MaxRequestWorkers 0",
        "MaxRequestWorkers 5",
        "MaxRequestWorkers 17",
        "MaxRequestWorkers x",
        "StartServers 0",
        "StartServers -1",
        "MinSpareThreads 0",
        "MaxSpareThreads 0",
        "MaxConnectionsPerChild x",
        "MaxConnectionsPerChild -1",
        "GracefulShutdownTimeout -1",
        "GracefulShutdownTimeout x",
        "AsyncRequestWorkerFactor 0",
        "AsyncRequestWorkerFactor x",
        "AsyncRequestWorkerFactor 1.5",
        "ThreadStackSize 1",
        "MaxMemFree x",
        "MinSpareServers 3",
        "ReceiveBufferSize 1",
        "ReceiveBufferSize x",
        "SendBufferSize 1",
        "ListenCoresBucketsRatio -1",
    ]);
}

#[test]
fn mpm_limits_prefork() {
    group("mpm limits prefork").mpm(compat_tests::Mpm::Prefork).syntax(&[
        "ServerLimit 0",
        "ServerLimit 999999",
        "MaxRequestWorkers 0",
        "ServerLimit 2\nMaxRequestWorkers 64",
        "MinSpareServers 0",
        "MaxSpareServers 0",
        "StartServers 0",
        "ThreadsPerChild 3",
        "MaxSpareThreads 3",
    ]);
}

#[test]
fn warnings_at_start() {
    for conf in [
        "ServerLimit 1\nMaxRequestWorkers 64\n",
        "MaxRequestWorkers 17\n",
        "MaxRequestWorkers 4\n",
        "ThreadLimit 4\nThreadsPerChild 20\n",
        "StartServers 0\n",
        "MinSpareThreads 0\nMaxSpareThreads 0\n",
    ] {
        group(conf).conf(conf).get("/").check();
    }
}

#[test]
fn defines() {
    group("Define").env("FROM_ENV", "env value").env("INDEX", "DirectoryIndex").syntax(&[
        "Define A b\n<IfDefine A>\nFooBar\n</IfDefine>",
        "Define A b\n<IfDefine !A>\nFooBar\n</IfDefine>",
        "<IfDefine A>\nFooBar\n</IfDefine>",
        "<IfDefine !A>\nFooBar\n</IfDefine>",
        "<IfDefine>\n</IfDefine>",
        "<IfDefine A\n</IfDefine>",
        "Define A x\nFoo${A}Bar",
        "Define A \"x y\"\nServerAdmin ${A}",
        "Define A \"x y\"\nServerAdmin \"${A}\"",
        "ServerAdmin ${NOPE}",
        "ServerAdmin \"${NOPE} ${ALSO_NOPE}\"",
        "Foo${FROM_ENV}",
        "${INDEX} a b",
        "Define INDEX ServerAdmin\n${INDEX} a b",
        "ServerAdmin ${",
        "ServerAdmin ${}",
        "ServerAdmin ${A",
        "ServerAdmin $A",
        "ServerAdmin \\${NOPE}",
        "Define A b\nUnDefine A\nFoo${A}",
        "UnDefine NOPE",
        "Define A",
        "Define A\nFoo${A}",
        "Define",
        "Define A b c",
        "Define ${A} b",
        "Define A:B c",
        "Define A ${FROM_ENV}\nFoo${A}",
        "Define A 1\nDefine A 2\nFoo${A}",
        "Define A \"${B}\"\nDefine B 3\nFoo${A}",
        "Define DIR /x\n<Directory ${DIR}>\nFooBar\n</Directory>",
        "Define N IfModule\n<${N} core.c>\nFooBar\n</IfModule>",
        "<VirtualHost *:80>\nDefine INNER x\n</VirtualHost>\nFoo${INNER}",
        "# ${NOPE}",
        "<IfDefine NOPE>\nServerAdmin ${NOPE}\n</IfDefine>",
        "Define A.b-c d\nFoo${A.b-c}",
        "Define a 1\nFoo${A}",
    ]);
}

#[test]
fn conditions() {
    group("conditions").file("conf/there.conf", "").syntax(&[
        "<IfVersion >= 2.4>\nFooBar\n</IfVersion>",
        "<IfVersion >=2.4>\nFooBar\n</IfVersion>",
        "<IfVersion < 2.4>\nFooBar\n</IfVersion>",
        "<IfVersion 2.4.71>\nFooBar\n</IfVersion>",
        "<IfVersion = 2.4.71>\nFooBar\n</IfVersion>",
        "<IfVersion == 2.4>\nFooBar\n</IfVersion>",
        "<IfVersion !> 2.4.71>\nFooBar\n</IfVersion>",
        "<IfVersion ~ ^2.4>\nFooBar\n</IfVersion>",
        "<IfVersion /^2.4/>\nFooBar\n</IfVersion>",
        "<IfVersion = /^2\\.4\\.[0-9]*$/>\nFooBar\n</IfVersion>",
        "<IfVersion !~ ^2.4>\nFooBar\n</IfVersion>",
        "<IfVersion ~ ( >\nFooBar\n</IfVersion>",
        "<IfVersion ? 2.4>\nFooBar\n</IfVersion>",
        "<IfVersion >= x>\nFooBar\n</IfVersion>",
        "<IfVersion>\nFooBar\n</IfVersion>",
        "<IfVersion >= 2.4.71 junk>\nFooBar\n</IfVersion>",
        "<IfVersion => 2.4.70>\nFooBar\n</IfVersion>",
        "<IfVersion <= 2.4.100>\nFooBar\n</IfVersion>",
        "<IfFile conf/there.conf>\nFooBar\n</IfFile>",
        "<IfFile @ROOT@/conf/there.conf>\nFooBar\n</IfFile>",
        "<IfFile \"conf/nope.conf\">\nFooBar\n</IfFile>",
        "<IfFile !conf/nope.conf>\nFooBar\n</IfFile>",
        "<IfFile>\nFooBar\n</IfFile>",
        "<IfDirective DirectoryIndex>\nFooBar\n</IfDirective>",
        "<IfDirective !DirectoryIndex>\nFooBar\n</IfDirective>",
        "<IfDirective NoSuch>\nFooBar\n</IfDirective>",
        "<IfDirective directoryindex>\nFooBar\n</IfDirective>",
        "<IfDirective>\nFooBar\n</IfDirective>",
        "<IfSection VirtualHost>\nFooBar\n</IfSection>",
        "<IfSection !VirtualHost>\nFooBar\n</IfSection>",
        "<IfSection NoSuch>\nFooBar\n</IfSection>",
        "<IfSection <VirtualHost>\nFooBar\n</IfSection>",
        "<Directory /x>\n<IfModule core.c>\nFooBar\n</IfModule>\n</Directory>",
    ]);
}

#[test]
fn includes() {
    group("Include")
        .file("conf/in/a.conf", "Define A a\n")
        .file("conf/in/b.conf", "Foo${A}\n")
        .file("conf/in/c.txt", "BarC\n")
        .file("conf/deep/x/one.conf", "Define ONE one\n")
        .file("conf/deep/y/two.conf", "Foo${ONE}\n")
        .file("conf/open.conf", "<Directory /x>\n")
        .file("conf/close.conf", "</Directory>\n")
        .file("l", "Include l\n")
        .file("conf/bad.conf", "\n\nFooBar\n")
        .file("conf/nested.conf", "Include conf/bad.conf\n")
        .file("conf/in_dir.conf", "Options Indexes\nListen 81\n")
        .dir("conf/empty")
        .link("conf/broken.conf", "nowhere")
        .syntax(&[
            "Include conf/in/a.conf",
            "Include conf/in/*.conf",
            "Include conf/in",
            "Include conf/in/",
            "Include @ROOT@/conf/in/[ab].conf",
            "Include conf/*/b.conf",
            "Include conf/deep/*/*.conf",
            "Include conf/nope.conf",
            "Include conf/nope/*.conf",
            "Include conf/empty",
            "Include conf/empty/*.conf",
            "Include conf/nope*/x.conf",
            "IncludeOptional conf/nope.conf",
            "IncludeOptional conf/nope/*.conf",
            "IncludeOptional conf/empty/*.conf",
            "IncludeOptional conf/in/*.conf",
            "IncludeOptional conf/nope*/x.conf",
            "IncludeOptional conf/broken.conf",
            "Include conf/broken.conf",
            "Include",
            "Include conf/in/a.conf conf/in/b.conf",
            "Include conf/open.conf\n</Directory>",
            "Include conf/open.conf",
            "<Directory /x>\nInclude conf/close.conf",
            "Include l",
            "Include conf/bad.conf",
            "Include conf/nested.conf",
            "<Directory /x>\nInclude conf/in_dir.conf\n</Directory>",
            "<VirtualHost *:80>\nInclude conf/bad.conf\n</VirtualHost>",
            "Define W in\nInclude conf/${W}/b.conf",
            "<IfModule core.c>\nInclude conf/bad.conf\n</IfModule>",
        ]);
}

#[test]
fn expressions_in_sections() {
    group("If").syntax(&[
        "<If \"true\">\nFooBar\n</If>",
        "<If \"%{FOO} == 'x'\">\n</If>",
        "<If \"%{HTTP_HOST} == 'x\">\n</If>",
        "<If \"%{HTTP_HOST} = 'x'\">\n</If>",
        "<If \"%{HTTP_HOST} ==\">\n</If>",
        "<If \"\">\n</If>",
        "<If>\n</If>",
        "<If true>\n</If>",
        "<If \"-n %{HTTP_HOST}\">\n</If>",
        "<If \"-Z %{HTTP_HOST}\">\n</If>",
        "<If \"%{HTTP_HOST} =~ /(/\">\n</If>",
        "<If \"%{HTTP_HOST} =~ m#^a/b#i\">\n</If>",
        "<If \"%{HTTP_HOST} -in {'a', 'b'}\">\n</If>",
        "<If \"%{HTTP_HOST} in {'a', 'b'}\">\n</If>",
        "<If \"nosuch(%{HTTP_HOST}) == 'x'\">\n</If>",
        "<If \"tolower(%{HTTP_HOST}) == 'x'\">\n</If>",
        "<If \"req('Host') == 'x'\">\n</If>",
        "<If \"file('/etc/passwd') == 'x'\">\n</If>",
        "<If \"(true\">\n</If>",
        "<If \"true && false || !true\">\n</If>",
        "<If \"%{REMOTE_ADDR} -ipmatch '10.0.0.0/8'\">\n</If>",
        "<If \"%{REMOTE_ADDR} -ipmatch '10.0.0.0/99'\">\n</If>",
        "<If \"-R '10.0.0.0/8'\">\n</If>",
        "<If \"-R 'x'\">\n</If>",
        "<If \"1 -eq 2\">\n</If>",
        "<If \"1 eq 2\">\n</If>",
        "<If \"'a' -strmatch '*b'\">\n</If>",
        "<If \"%{TIME_YEAR} -gt 2000\">\n</If>",
        "<If \"%{HTTP:X-Foo} == 'x'\">\n</If>",
        "<If \"%{ENV:X} == 'x' \">\n</If>",
        "<If \"$0 == 'x'\">\n</If>",
        "<ElseIf \"true\">\n</ElseIf>",
        "<Else>\n</Else>",
        "<If \"false\">\n</If>\n<Else>\n</Else>",
        "<If \"false\">\n</If>\n<Else>\n</Else>\n<Else>\n</Else>",
        "<If \"false\">\n</If>\n<ElseIf \"true\">\n</ElseIf>\n<Else>\n</Else>",
        "<If \"false\">\n</If>\nServerAdmin x\n<Else>\n</Else>",
        "<If \"true\">\nAllowOverride All\n</If>",
        "<If \"true\">\nListen 81\n</If>",
    ]);
}

#[test]
fn merge_order() {
    let mark = |text: &str| format!("ErrorDocument 404 \"{text}\"\n");
    group("merge order")
        .conf(&format!(
            r#"
{main}
<Directory "@ROOT@/htdocs">
{dir}
</Directory>
<Directory "@ROOT@/htdocs/deep">
{deep}
</Directory>
<DirectoryMatch "/htdocs/match">
{dirmatch}
</DirectoryMatch>
<Directory "@ROOT@/htdocs/match">
{after}
</Directory>
<Directory "@ROOT@/htdocs/w*">
{wild}
</Directory>
<Files "f.txt">
{files}
</Files>
<FilesMatch "^g\.">
{filesmatch}
</FilesMatch>
<Location "/deep/loc">
{location}
</Location>
<LocationMatch "/lm/[0-9]+">
{locationmatch}
</LocationMatch>
<If "%{{HTTP:X-If}} == 'yes'">
{iff}
</If>
<ElseIf "%{{HTTP:X-If}} == 'else'">
{elseif}
</ElseIf>
<Directory "@ROOT@/htdocs/deep">
  <Files "h.txt">
  {nested}
  </Files>
</Directory>
"#,
            main = mark("main"),
            dir = mark("dir"),
            deep = mark("deep"),
            dirmatch = mark("dirmatch"),
            after = mark("dir after dirmatch"),
            wild = mark("wild"),
            files = mark("files"),
            filesmatch = mark("filesmatch"),
            location = mark("location"),
            locationmatch = mark("locationmatch"),
            iff = mark("if"),
            elseif = mark("elseif"),
            nested = mark("nested"),
        ))
        .dir("htdocs/deep/er")
        .dir("htdocs/match/x")
        .dir("htdocs/wild/x")
        .get("/x")
        .get("/deep/x")
        .get("/deep/er/x")
        .get("/match/x/y")
        .get("/wild/x/y")
        .get("/f.txt")
        .get("/deep/f.txt")
        .get("/g.txt")
        .get("/deep/h.txt")
        .get("/h.txt")
        .get("/deep/loc/x")
        .get("/deep/loc/f.txt")
        .get("/deep/location")
        .get("/lm/12")
        .get("/lm/a")
        .get_with("/deep/loc/f.txt", "X-If: yes")
        .get_with("/deep/loc/f.txt", "X-If: else")
        .get_with("/x", "X-If: yes")
        .check();
}

#[test]
fn virtual_hosts() {
    let host = |name: &str, more: &str| {
        format!("<VirtualHost *:@PORT@>\nServerName {name}\n{more}\nErrorDocument 404 \"{name}\"\n</VirtualHost>\n")
    };
    let mut conf = host("first.test", "ServerAlias alias.test *.wild.test")
        + &host("second.test", "ServerAlias w?ld.test")
        + &host("third.test:81", "")
        + &host("fourth.test:@PORT@", "ServerAlias *.fourth.test")
        + &host("second.test", "ServerAlias never.test")
        + "<VirtualHost 127.0.0.2:@PORT@>\nServerName ip.test\nErrorDocument 404 ip.test\n</VirtualHost>\n"
        + "<VirtualHost 127.0.0.1:@PORT@>\nServerName byip.test\nErrorDocument 404 byip.test\n</VirtualHost>\n"
        + "Listen 127.0.0.1:@PORT2@\n<VirtualHost _default_:@PORT2@>\nServerPath /sp\nErrorDocument 404 other-port\n</VirtualHost>\n";
    conf.push_str("ErrorDocument 404 main\n");
    let mut named = group("vhosts by name").conf(
        &(host("first.test", "ServerAlias alias.test *.wild.test")
            + &host("second.test", "ServerAlias w?ld.test")
            + &host("third.test:81", "")
            + &host("fourth.test:@PORT@", "ServerAlias *.fourth.test")
            + &host("second.test", "ServerAlias never.test")
            + "ErrorDocument 404 main\n"),
    );
    let hosts = [
        "first.test",
        "FIRST.test",
        "first.test.",
        "first.test:99",
        "alias.test",
        "a.wild.test",
        "a.b.wild.test",
        "wild.test",
        "wold.test",
        "second.test",
        "third.test",
        "x.fourth.test",
        "fourth.test",
        "never.test",
        "nobody.test",
        "127.0.0.1",
        "",
        "[::1]",
        "a b",
        "first.test:",
        "first.test:x",
        "a/b",
        "a..b",
        "a_b.test",
        "-x.test",
        "%41",
        "first.test,second.test",
    ];
    for name in hosts {
        named = named.request(format!("GET /x HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"));
    }
    named
        .request("GET /x HTTP/1.0\r\n\r\n")
        .request("GET http://second.test/x HTTP/1.1\r\nHost: first.test\r\nConnection: close\r\n\r\n")
        .check();
    let mut by_ip = group("vhosts by address").conf(&conf);
    for name in ["first.test", "byip.test", "ip.test", "nobody.test"] {
        by_ip = by_ip.request(format!("GET /x HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"));
    }
    by_ip.check();
}

#[test]
fn htaccess_errors() {
    group("htaccess").conf("<Directory \"@ROOT@/htdocs\">\nAllowOverride All\n</Directory>\n").htaccess(&[
        "FooBar\n",
        "DirectoryIndex nope.html index.html\n",
        "\n\nListen 80\n",
        "<Directory /x>\n</Directory>\n",
        "<Files index.html>\nRequire all denied\n</Files>\n",
        "<Files index.html>\n",
        "</Files>\n",
        "Options +Foo\n",
        "ErrorDocument 404\n",
        "Require all denied\n",
        "Deny from all\n",
        "<If \"true\">\nRequire all denied\n</If>\n",
        "<If \"%{FOO}\">\n</If>\n",
        "<If \"file('/etc/passwd') =~ /root/\">\n</If>\n",
        "<IfModule nope.c>\nFooBar\n</IfModule>\n",
        "Include conf/case.conf\n",
        "Define A b\n",
        "ServerAdmin ${NOPE}\n",
        "AllowOverride None\n",
        "Redirect /h19/ http://other.test/\n",
        "AddType text/plain .html\n",
        "SetHandler no-such-handler\n",
        "\u{feff}DirectoryIndex index.html\n",
        "DirectoryIndex index.html \\\n\n",
        "LimitRequestBody 1\n",
        "<Limit GET>\nRequire all denied\n</Limit>\n",
        "<LimitExcept POST>\nRequire all denied\n</LimitExcept>\n",
        "LogLevel debug\n",
        "Alias /x /y\n",
        "<Location />\n</Location>\n",
    ]);
}

#[test]
fn allow_override_classes() {
    for class in [
        "None",
        "AuthConfig",
        "FileInfo",
        "Indexes",
        "Limit",
        "Options",
        "Options=Indexes",
        "Nonfatal=All",
        "Nonfatal=Unknown",
        "Nonfatal=Override",
    ] {
        group(&format!("AllowOverride {class}"))
            .conf(&format!("<Directory \"@ROOT@/htdocs\">\nAllowOverride {class}\n</Directory>\n"))
            .htaccess(&[
                "AuthName x\n",
                "Require all denied\n",
                "AddType text/plain .html\n",
                "ErrorDocument 404 x\n",
                "DirectoryIndex nope index.html\n",
                "Order deny,allow\n",
                "Deny from all\n",
                "Options +Indexes\n",
                "Options +ExecCGI\n",
                "Redirect gone /h9\n",
                "FooBar\n",
                "Listen 80\n",
                "SetEnv A b\n",
            ]);
    }
}

#[test]
fn allow_override_list() {
    group("AllowOverrideList")
        .conf("<Directory \"@ROOT@/htdocs\">\nAllowOverride None\nAllowOverrideList Redirect AddType\n</Directory>\nAccessFileName .htaccess .other\n")
        .file("htdocs/two/.other", "Redirect gone /two\n")
        .file("htdocs/un/readable/.htaccess", "Redirect gone /un\n")
        .mode("htdocs/un/readable/.htaccess", 0o000)
        .file("htdocs/isdir/.htaccess/x", "")
        .get("/two/")
        .get("/un/readable/")
        .get("/isdir/")
        .htaccess(&["Redirect gone /h0\n", "AddType text/plain .html\n", "DirectoryIndex x\n", "FooBar\n"]);
}

#[test]
fn allow_override_nowhere_set() {
    for conf in [
        "",
        "<Directory @ROOT@/htdocs/closed>\nAllowOverride None\n</Directory>\n",
        "<Directory @ROOT@/htdocs>\nAllowOverrideList None\n</Directory>\n",
        "<Directory @ROOT@/htdocs>\nAllowOverrideList AddType\n</Directory>\n",
        "<Directory @ROOT@>\nOptions +Indexes\n</Directory>\n",
        "AccessFileName .other\n",
    ] {
        let mut g = group(&format!("AllowOverride unset {conf}")).conf(conf).log_format("%r %>s %B");
        for (name, text) in [
            ("empty", ""),
            ("comment", "# nothing\n"),
            ("type", "AddType a/b .txt\n"),
            ("unknown", "FooBar\n"),
            ("section", "<IfModule dir_module>\n</IfModule>\n"),
            ("inner", "<IfModule dir_module>\nAddType a/b .txt\n</IfModule>\n"),
            ("files", "<Files a.txt>\n</Files>\n"),
            ("closed", "AddType a/b .txt\n"),
        ] {
            g = g
                .file(&format!("htdocs/{name}/.htaccess"), text)
                .file(&format!("htdocs/{name}/a.txt"), "a\n")
                .file(&format!("htdocs/{name}/below/a.txt"), "a\n")
                .get(&format!("/{name}/a.txt"))
                .get(&format!("/{name}/below/a.txt"));
        }
        g.check();
    }
}

#[test]
fn order_of_complaints() {
    group("order of complaints").and_modules("macro headers rewrite").syntax(&[
        // The section is wrong before what stands in it.
        "<AuthnProviderAlias file x>\nRemoveHandler\n</AuthnProviderAlias>",
        "<AuthnProviderAlias file x>\nAllowOverride None\nEnableMMAP On\n</AuthnProviderAlias>",
        "<AuthnProviderAlias file x>\n<Files y>\nSetEnv\n</Files>\n</AuthnProviderAlias>",
        "<AuthnProviderAlias file x>\n<Limit GET>\nSetEnv\n</Limit>\n</AuthnProviderAlias>",
        "<VirtualHost *:80>\n<AuthnProviderAlias file x>\nSetEnv\n</AuthnProviderAlias>\n</VirtualHost>",
        "<Directory /x>\n<RequireAll>\n<If \"true\">\nSetEnv\n</If>\n</RequireAll>\n</Directory>",
        "<Directory /x>\n<Limit GET>\n<Else>\nSetEnv\n</Else>\n</Limit>\n</Directory>",
        "<Directory /x>\n<Limit GET>\nAlias /a /b\n</Limit>\n</Directory>",
        "<Directory /x>\n<Limit GET>\nMultiviewsMatch x\n</Limit>\n</Directory>",
        "<Location /x>\nMultiviewsMatch x\n</Location>",
        "<Directory /x>\n<Limit GET>\n<Limit GET>\nSetEnv\n</Limit>\n</Limit>\n</Directory>",
        "<Directory /x>\n<Limit GET>\n<LimitExcept GET>\nSetEnv\n</LimitExcept>\n</Limit>\n</Directory>",
        // The arguments are counted before the host is refused.
        "<VirtualHost *:80>\nStartServers 1 2\n</VirtualHost>",
        "<VirtualHost *:80>\nStartServers 1\n</VirtualHost>",
        // What is passed over keeps the bracket that more stands behind, and loses the last letter of a closing name.
        "<IfDefine X>\n<Files> x\n</IfDefine>",
        "<IfDefine X>\n<Files x>\n</Files\n</IfDefine>",
        "<IfDefine X>\n</IfDefine",
        // Warnings of a virtual host go to its log, which is not open yet.
        "<VirtualHost *:80>\nPassEnv NOPE\nAlias /a /b\nAlias /a/b /c\nErrorDocument 401 http://x/\n</VirtualHost>",
        "<VirtualHost *:80>\n<Location /x>\nAllowOverride None\n</Location>\nRewriteOptions MaxRedirects=5\n</VirtualHost>",
        "FilterProvider x nope ::1",
        "SetEnvIf *:1 * x",
        "SetEnvIf \\ 1",
        "BrowserMatch a\\ b",
        "BrowserMatchNoCase \\ b",
        "ServerName *:99999",
        "ServerName a?b",
        "ServerName [::1]:80",
        "KeepAliveTimeout h",
        "KeepAliveTimeout ms",
        "KeepAliveTimeout m",
        "RedirectPermanent 410 /x",
        "RedirectTemp 301 /x",
        "ErrorLogFormat \"expr=%{x} == 1\"",
        "RewriteOptions \"inherit a\"",
        "<Macro m>\nServerAdmin \\\n a\n</x>\n</y>\n</Macro>\nUse m",
        "<Directory /x>\nAuthBasicProvider NoPe\n</Directory>",
        "<Directory /x>\nDeny from /\n</Directory>",
        "<Directory /x>\nDeny from 10.1/16\n</Directory>",
        "<Directory /x>\nRequire ip 10.1/16\n</Directory>",
        "<Directory /x>\nRequire ip 1/\n</Directory>",
        "<Directory /x>\nRequire ip \"\"\n</Directory>",
        "<Directory /x>\nRequire env a \"\" b\n</Directory>",
    ]);
}

#[test]
fn odd_openers_and_paths() {
    group("openers").file("conf/d/b.conf", "FooBar\n").link("conf/linkd", "d").syntax(&[
        "<IfDefine \"\">\n</IfDefine>",
        "<IfDefine \">\n</IfDefine>",
        "<IfDefine !\"\">\n</IfDefine>",
        "<IfModule \"\">\n</IfModule>",
        "<IfFile ''>\n</IfFile>",
        "<IfFile \"!x\">\nFoo\n</IfFile>",
        "<IfSection \"\">\n</IfSection>",
        "<IfDirective \">\n</IfDirective>",
        "DefaultType off",
        "DefaultType Off",
        "DefaultType none",
        "DefaultType on",
        "<DirectoryMatch ~ x>\n</DirectoryMatch>",
        "<DirectoryMatch ~ x y>\n</DirectoryMatch>",
        "<DirectoryMatch ~ \"[\">\n</DirectoryMatch>",
        "<LocationMatch ~ x>\n</LocationMatch>",
        "<FilesMatch ~ x>\n</FilesMatch>",
        "<If x y>\n</If>",
        "<If true y>\n</If>",
        "<If ~ x>\n</If>",
        "<If x> y>\n</If>",
        "<ElseIf x y>\n</ElseIf>",
        "LimitXMLRequestBody 3074457345618258601",
        "LimitXMLRequestBody 3074457345618258602",
        "LimitXMLRequestBody 99999999999999999999",
        "Include conf/d/../d/b.conf",
        "Include ./conf/d/b.conf",
        "Include conf//d/b.conf",
        "Include conf/./d/*.conf",
        "Include @ROOT@/./conf/../conf/d/b.conf",
        "Include conf/linkd",
    ]);
}
