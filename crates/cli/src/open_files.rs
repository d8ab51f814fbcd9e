//! The limit of open files, which is low by default for the sake of old programs, and which a process may raise by itself.

/// What is asked for one after the other where there is no hard limit: some systems take less than they say.
#[cfg(unix)]
const TRIED: [u64; 3] = [1 << 20, 1 << 16, 10_240];

/// Raises the limit as far as the system allows; gives where it is then, none where there is none.
pub(crate) fn raise() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        for wanted in maximum.into_iter().chain(TRIED) {
            let is_more = current.is_some_and(|current| current < wanted);
            if is_more && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok() {
                break;
            }
        }
        getrlimit(Resource::Nofile).current
    }
    #[cfg(not(unix))]
    None
}
