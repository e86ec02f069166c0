//! mod_access_compat: Order, Allow, Deny, Satisfy.

use compat_tests::group;

#[test]
fn order_allow_deny() {
    let rules = [
        "Order deny,allow",
        "Order allow,deny",
        "Order mutual-failure",
        "Order deny,allow\nDeny from all",
        "Order deny,allow\nDeny from all\nAllow from 127.0.0.1",
        "Order allow,deny\nAllow from all",
        "Order allow,deny\nAllow from all\nDeny from 127.0.0.1",
        "Order allow,deny\nAllow from 127",
        "Order allow,deny\nAllow from 127.0.0.0/8",
        "Order allow,deny\nAllow from 127.0.0.0/255.0.0.0",
        "Order allow,deny\nAllow from 10.0.0.0/8",
        "Order allow,deny\nAllow from ::1",
        "Order allow,deny\nAllow from localhost",
        "Order allow,deny\nAllow from env=let_me_in",
        "Order allow,deny\nAllow from env=!nope",
        "Order deny,allow\nDeny from env=let_me_in",
        "Order mutual-failure\nAllow from 127.0.0.1",
        "Deny from all",
        "Allow from all",
        "Order deny,allow\nDeny from all\nSatisfy any",
        "Require all denied\nOrder allow,deny\nAllow from all\nSatisfy any",
        "Require all granted\nOrder deny,allow\nDeny from all\nSatisfy any",
        "Require all denied\nOrder allow,deny\nAllow from all\nSatisfy all",
    ];
    let mut conf = String::from("SetEnvIf X-In yes let_me_in\n");
    let mut g = group("access_compat");
    for (number, rule) in rules.iter().enumerate() {
        conf.push_str(&format!("<Directory @ROOT@/htdocs/d{number}>\n{rule}\n</Directory>\n"));
        g = g
            .file(&format!("htdocs/d{number}/index.html"), "in\n")
            .get(&format!("/d{number}/"))
            .get_with(&format!("/d{number}/"), "X-In: yes");
    }
    g.conf(&conf).check();
}

#[test]
fn with_password() {
    for satisfy in ["All", "Any"] {
        group("Satisfy")
            .conf(&format!(
                "<Directory @ROOT@/htdocs/p>\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\nRequire valid-user\nOrder deny,allow\nDeny from all\nAllow from env=in\nSatisfy {satisfy}\n</Directory>\nSetEnvIf X-In yes in\n"
            ))
            .file("conf/users", "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
            .file("htdocs/p/index.html", "in\n")
            .get("/p/")
            .get_with("/p/", "X-In: yes")
            .get_with("/p/", "Authorization: Basic dTpzZWNyZXQ=")
            .get_with("/p/", "X-In: yes\nAuthorization: Basic dTpzZWNyZXQ=")
            .get_with("/p/", "X-In: yes\nAuthorization: Basic dTpiYWQ=")
            .check();
    }
}

#[test]
fn errors() {
    let dir = |text: &str| format!("<Directory /x>\n{text}\n</Directory>");
    group("access_compat errors").syntax(&[
        dir("Order allow, deny"),
        dir("Order allow"),
        dir("Order"),
        dir("Order foo,bar"),
        dir("ORDER Allow,Deny"),
        dir("Allow all"),
        dir("Allow from"),
        dir("Allow"),
        dir("Allow from a,b"),
        dir("Deny from 10.0.0.0/99"),
        dir("Deny from 10.0.0.0/255.255.0.255"),
        dir("Deny from 300.1.1.1"),
        dir("Deny from all # comment"),
        dir("Deny from env="),
        dir("Allow from fe80::/10 ::1"),
        dir("Satisfy foo"),
        dir("Satisfy"),
        dir("Order allow,deny\nRequire all granted"),
        "Order allow,deny".into(),
    ]);
}
