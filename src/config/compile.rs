//! From the tree to the immutable configuration: setters run, virtual hosts merged over the main server.

use super::{
    At, Complaint, Configuration, CoreServer, Inner, Pattern, Permit, Place, Providers, Refused, Server, SettingsVec,
    Tree, TreeKeeper, Trouble, Walker,
};
use std::sync::Arc;

/// Runs the tree's setters and settles what they left.
pub fn compile(tree: Tree, providers: Providers) -> Result<Configuration, Box<Refused>> {
    let Tree { nodes, commands, mut process, mut warnings, included } = tree;
    let mut main = Server::default();
    let mut defaults = SettingsVec::default();
    let mut hosts = Vec::new();
    let permit = Permit::default();
    let walker = Walker { commands: &commands, providers: &providers, permit: &permit };
    let inner = Inner {
        place: Place::Main,
        path: None,
        around: "",
        limited: u64::MAX,
        server: &mut main,
        dir: &mut defaults,
        process: &mut process,
        warnings: &mut warnings,
    };
    if let Err(complaint) = walker.run(&nodes, &[], inner, &mut hosts) {
        let complaints = process.complaints.unwrap_or_default();
        return Err(Box::new(Refused {
            trouble: trouble(complaint),
            warnings,
            included,
            complaints,
            mpm: process.mpm,
        }));
    }
    main.defaults = defaults;
    let kinds = commands.kinds();
    let mut servers = Vec::with_capacity(hosts.len() + 1);
    let inherited = main.settings.inherited(&kinds);
    for mut host in hosts {
        inherit(&main, &mut host);
        host.settings = main.settings.with_host(&host.settings, &inherited, &kinds);
        // Core's settings are merged for every host: AllowEncodedSlashes begins anew.
        host.defaults.edit::<super::CoreDir>();
        host.defaults = main.defaults.merged(&host.defaults, &kinds);
        servers.push(host);
    }
    servers.insert(0, main);
    for (index, server) in servers.iter_mut().enumerate() {
        server.index = index;
        order_directories(server);
    }
    let keeper = providers.find::<dyn TreeKeeper>(b"tree");
    let mut configuration = Configuration { process, servers, kinds, providers, warnings, commands };
    if let Some(keeper) = keeper {
        keeper.keep(&mut configuration, nodes);
    }
    Ok(configuration)
}

fn trouble(complaint: Complaint) -> Trouble {
    match complaint {
        Complaint::At(at, text) => Trouble::Directive { at, text },
        Complaint::Text(text) => Trouble::Directive { at: At::default(), text },
        Complaint::Fatal(tag, text) => Trouble::Fatal { tag, named: true, text },
        Complaint::Decline => Trouble::Directive { at: At::default(), text: "declined".into() },
    }
}

/// What a host that does not say otherwise has of the main server.
fn inherit(main: &Server, host: &mut Server) {
    macro_rules! inherit {
        ($($field:ident),*) => {$( if host.$field.is_none() { host.$field = main.$field.clone(); } )*};
    }
    inherit!(
        admin,
        timeout,
        keep_alive,
        keep_alive_timeout,
        max_keep_alive_requests,
        limit_request_line,
        limit_request_field_size,
        limit_request_fields
    );
}

/// The order in which a walk from the root down meets them: by number of components, then regular expressions, each
/// in the order of the files.
fn order_directories(server: &mut Server) {
    if server.settings.own::<CoreServer>().is_some_and(|core| core.directories.len() > 1) {
        let directories = &mut server.settings.edit::<CoreServer>().directories;
        directories.sort_by_key(|section| match section.pattern {
            Pattern::Regex(_) => usize::MAX,
            _ => section.components,
        });
    }
}

/// The whole way from files to a configuration; `hooks` makes the providers of the loaded modules.
pub fn load(
    request: &super::Request,
    registry: Vec<&'static dyn super::Registered>,
    providers: impl FnOnce(&super::Commands) -> Providers,
) -> Result<Arc<Configuration>, Box<Refused>> {
    let tree = super::read(request, registry)?;
    let providers = providers(&tree.commands);
    compile(tree, providers).map(Arc::new)
}
