//! Gateways: mod_proxy and the modules that speak a protocol to backends for it.

pub mod balancers;
pub mod mod_proxy;
pub mod mod_proxy_ajp;
pub mod mod_proxy_balancer;
pub mod mod_proxy_connect;
pub mod mod_proxy_express;
pub mod mod_proxy_fcgi;
pub mod mod_proxy_hcheck;
pub mod mod_proxy_http;
pub mod mod_proxy_scgi;
pub mod mod_proxy_uwsgi;
pub mod mod_proxy_wstunnel;
