//! The apps whose webhooks are taken, replaced as a whole when their secrets change on disk.

pub mod auth;
pub mod secrets;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rtms_wire::secret::SecretToken;
use tokio::sync::watch;

use crate::{
    apps::secrets::{ApiAccess, App, SecretsError},
    config::app::AppConfig,
    stop::Stop,
    watched_files::WatchedFiles,
};

/// The time between two checks of the files. Secrets are rotated by hand or by a job; a second is soon enough.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All apps, as they are now. Clones share one set.
#[derive(Clone)]
pub struct Apps {
    current: Arc<ArcSwap<Vec<App>>>,
    /// The number of times that they were read again.
    reloads: Arc<watch::Sender<u64>>,
    configured: Arc<[AppConfig]>,
    files: WatchedFiles,
}

impl Apps {
    /// Reads the secrets of every app: from files as configured, and from the environment.
    ///
    /// # Errors
    /// [`SecretsError`], which says what to set.
    pub fn load(configured: &[AppConfig], environment: impl Fn(&str) -> Option<String>) -> Result<Self, SecretsError> {
        let files = configured.iter().flat_map(AppConfig::files).cloned().collect();
        let files = WatchedFiles::before_reading(files);
        let apps = secrets::load(configured, environment)?;
        Ok(Self { configured: configured.into(), files, ..Self::fixed(apps) })
    }

    /// Finds what a call of Zoom's REST API needs: for the app with this name, or for the only one.
    ///
    /// # Errors
    /// [`SecretsError`], which says what to set.
    pub fn for_api(
        configured: &[AppConfig],
        name: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<ApiAccess, SecretsError> {
        secrets::for_api(configured, name, environment)
    }

    /// Creates a set of apps that never changes.
    pub fn fixed(apps: Vec<App>) -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(apps)),
            reloads: Arc::new(watch::Sender::new(0)),
            configured: Arc::new([]),
            files: WatchedFiles::before_reading(Vec::new()),
        }
    }

    /// Returns the apps as they are at this moment.
    pub(crate) fn now(&self) -> Arc<Vec<App>> {
        self.current.load_full()
    }

    /// Returns a counter that rises when secrets were read again.
    pub(crate) fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }

    /// Reads the files again. Apps from the environment stay: a process cannot see its environment change.
    ///
    /// # Errors
    /// [`SecretsError`]; the secrets then stay as they were.
    pub fn reload(&self) -> Result<(), SecretsError> {
        let fresh = self.configured.iter().map(secrets::from_files).collect::<Result<Vec<_>, _>>()?;
        let with_those_that_stay = |current: &[App]| {
            let mut apps = fresh.clone();
            let from_files = |app: &App| self.configured.iter().any(|configured| configured.name == app.name);
            apps.extend(current.iter().filter(|app| !from_files(app)).cloned());
            apps
        };
        secrets::one_token_each(&with_those_that_stay(&self.now()))?;
        self.current.rcu(|current| with_those_that_stay(current));
        self.reloads.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Reloads whenever a file changes, until the server stops.
    pub(crate) async fn watch(self, stop: Stop) {
        self.files.clone().watch("secrets", LOOK_EVERY, stop, || self.reload()).await;
    }
}

/// Returns the secrets with which a webhook may be signed, each with the position of its app.
pub(crate) fn secret_tokens<'a>(apps: &'a [App], only: Option<&str>) -> Vec<(usize, &'a SecretToken)> {
    apps.iter()
        .enumerate()
        .filter(|(_, app)| only.is_none_or(|name| app.name == name))
        .flat_map(|(position, app)| app.secret_tokens.iter().map(move |token| (position, token)))
        .collect()
}
