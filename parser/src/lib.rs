//! Parser for Apache httpd configuration files and expressions.
