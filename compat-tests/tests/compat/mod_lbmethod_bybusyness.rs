//! mod_lbmethod_bybusyness: which member is next.

use super::mod_proxy_balancer::balanced;
use compat_tests::group;
use compat_tests::normal::BALANCERS;

#[test]
fn choices() {
    let mut group = balanced(
        "lbmethod=bybusyness",
        &[],
        "<Proxy balancer://c>\nBalancerMember http://@A@ loadfactor=1\nBalancerMember http://@B@ loadfactor=2\nBalancerMember http://@C@ loadfactor=4\nProxySet lbmethod=bybusyness nonce=NN\n</Proxy>\n         ProxyPass /x balancer://c\n<Location /bm>\nSetHandler balancer-manager\n</Location>\n",
    )
    .and_modules("lbmethod_bybusyness");
    for at in 0..12 {
        group = group.get(if at % 3 == 0 { "/x/shown-at-length" } else { "/x/who" });
    }
    group.get_with("/bm", "Referer: http://www.example.test/").masking(BALANCERS).check();
}

#[test]
fn needs_the_proxy() {
    group("bybusyness without mod_proxy").and_modules("lbmethod_bybusyness").start_fails(&["-DFOREGROUND"]);
}
