//! A store of objects by URL: a local directory, a bucket of S3 or of what speaks its protocol, and by cargo feature of Google
//! Cloud Storage or Azure.
//!
//! Checkpoints of workers are kept there ([`bellwether_runtime::cells`]). All that is asked of a store is that an object can be
//! created only where there is none: on a local file system by a link, elsewhere by a condition of the request.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use bellwether_runtime::cells::{Objects, ObjectsError};
use object_store::aws::AmazonS3ConfigKey;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use reqwest::Url;
use tokio::runtime::Handle;

use crate::secret::Secret;

/// Longest wait for one answer of a store: a large checkpoint takes a while.
const ANSWER_MAX: Duration = Duration::from_mins(2);
/// What variables of the environment begin with that say how stores are reached.
const VARIABLES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// Where objects are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectStoreOptions {
    /// `file:///folder`, `s3://bucket/prefix`, and by cargo feature `gs://bucket/prefix` or `az://container/prefix`. Two
    /// groups of workers may have the same.
    pub url: String,
    /// How it is reached, by the names that the crate `object_store` gives to it: `aws_region`, `aws_endpoint`. They win over
    /// variables of the environment of the same names in capitals.
    pub properties: BTreeMap<String, Secret>,
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectStoreError {
    /// The URL is none, or of no store that this program knows.
    #[error("this is not the URL of a store of objects: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// No store has such a property.
    #[error("stores of objects have no such property: property=`{property}`")]
    Property {
        /// Its name.
        property: String,
    },
    /// The local directory cannot be made.
    #[error("directory cannot be made: path=`{path}`")]
    Directory {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The URL and the properties do not go together.
    #[error("store of objects cannot be used: {0}")]
    Store(#[from] Error),
}

impl ObjectStoreOptions {
    /// Whether they can be used. Nothing is connected to and nothing made.
    ///
    /// # Errors
    /// `Url` or `Property`.
    pub fn check(&self) -> Result<(), ObjectStoreError> {
        let url = self.parse()?;
        let known = |name: &str| match url.scheme() {
            "file" => false,
            "s3" | "s3a" => {
                name.parse::<AmazonS3ConfigKey>().is_ok() || name.parse::<ClientConfigKey>().is_ok()
            }
            _ => true,
        };
        match self.properties.keys().find(|name| !known(name)) {
            Some(property) => Err(ObjectStoreError::Property { property: property.clone() }),
            None => Ok(()),
        }
    }

    fn parse(&self) -> Result<Url, ObjectStoreError> {
        let wrong = |reason: String| ObjectStoreError::Url { reason };
        let url: Url = self.url.parse().map_err(|error| wrong(format!("{error}")))?;
        let has_place = match url.scheme() {
            "file" => url.to_file_path().is_ok() && url.path() != "/",
            "s3" | "s3a" | "gs" | "az" => url.has_host(),
            other => return Err(wrong(format!("unknown kind `{other}`"))),
        };
        has_place.then_some(url).ok_or_else(|| wrong("it names no place".to_owned()))
    }
}

/// A store of objects.
pub struct StoredObjects {
    store: Box<dyn ObjectStore>,
    runtime: Handle,
}

impl StoredObjects {
    /// The store that `options` name. Requests run on `runtime`; whoever makes them must not be one of its threads.
    ///
    /// # Errors
    /// Whatever [`ObjectStoreError`] lists. Whether a bucket can be reached is not known then.
    pub fn open(options: &ObjectStoreOptions, runtime: Handle) -> Result<Self, ObjectStoreError> {
        options.check()?;
        let url = options.parse()?;
        if let Some(path) = url.to_file_path().ok().filter(|_| url.scheme() == "file") {
            let failed =
                |source| ObjectStoreError::Directory { path: path.display().to_string(), source };
            std::fs::create_dir_all(&path).map_err(failed)?;
            let store = LocalFileSystem::new_with_prefix(&path)?.with_fsync(true);
            return Ok(Self { store: Box::new(store), runtime });
        }
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            let is_ours = VARIABLES.iter().any(|prefix| name.starts_with(prefix));
            is_ours.then(|| (name.to_ascii_lowercase(), value))
        });
        let named = options.properties.iter();
        let named = named.map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let (store, prefix) = object_store::parse_url_opts(&url, environment.chain(named))?;
        Ok(Self { store: Box::new(PrefixStore::new(store, prefix)), runtime })
    }

    /// Waits for what `asked` answers about `path`.
    fn wait<T>(
        &self,
        path: &str,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, ObjectsError> {
        let answered =
            self.runtime.block_on(async { tokio::time::timeout(ANSWER_MAX, asked).await });
        answered.map_err(|_| ObjectsError {
            path: path.to_owned(),
            reason: format!("no answer within {} s", ANSWER_MAX.as_secs()),
        })
    }
}

/// Why `path` could not be dealt with. What a store answers may quote a request, but no secret of ours.
fn failed(path: &str) -> impl Fn(Error) -> ObjectsError {
    move |error| ObjectsError { path: path.to_owned(), reason: error.to_string() }
}

impl Objects for StoredObjects {
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectsError> {
        let prefix = Path::from(folder);
        let found = self.wait(folder, self.store.list_with_delimiter(Some(&prefix)))?;
        let found = match found {
            Err(Error::NotFound { .. }) => return Ok(Vec::new()),
            found => found.map_err(failed(folder))?,
        };
        let names = found.objects.iter().filter_map(|object| object.location.filename());
        Ok(names.map(str::to_owned).collect())
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
        let at = Path::from(path);
        let got = self.wait(path, async { self.store.get(&at).await?.bytes().await })?;
        match got {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(path)(error)),
        }
    }

    fn create(&self, path: &str, content: &[u8]) -> Result<bool, ObjectsError> {
        let at = Path::from(path);
        let options = PutOptions::from(PutMode::Create);
        let created =
            self.wait(path, self.store.put_opts(&at, content.to_vec().into(), options))?;
        match created {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(failed(path)(error)),
        }
    }

    fn remove(&self, path: &str) -> Result<(), ObjectsError> {
        let at = Path::from(path);
        match self.wait(path, self.store.delete(&at))? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str, properties: &[(&str, &str)]) -> ObjectStoreOptions {
        let secret = |&(name, value): &(&str, &str)| (name.to_owned(), Secret::new(value));
        let properties = properties.iter().map(secret).collect();
        ObjectStoreOptions { url: url.to_owned(), properties }
    }

    /// What every store must do.
    fn behaves(objects: &StoredObjects) {
        let (folder, one) = ("group/metrics/0", "group/metrics/0/claim-1");
        assert_eq!(objects.list(folder).unwrap(), Vec::<String>::new());
        assert_eq!(objects.get(one).unwrap(), None);
        assert!(objects.create(one, b"first").unwrap());
        assert!(!objects.create(one, b"second").unwrap(), "there is one");
        assert_eq!(objects.get(one).unwrap().as_deref(), Some(&b"first"[..]));
        assert!(objects.create("group/metrics/01/claim-7", b"").unwrap());
        assert_eq!(objects.list(folder).unwrap(), ["claim-1"]);
        objects.remove(one).unwrap();
        objects.remove(one).unwrap();
        assert_eq!(objects.list(folder).unwrap(), Vec::<String>::new());
        assert!(objects.create(one, b"again").unwrap());
        objects.remove(one).unwrap();
        objects.remove("group/metrics/01/claim-7").unwrap();
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    #[test]
    fn a_directory_keeps_objects_and_creates_none_twice() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let url = format!("file://{}/a/b", folder.path().display());
        let open = || StoredObjects::open(&options(&url, &[]), runtime.handle().clone()).unwrap();
        behaves(&open());
        assert!(open().create("x/y", b"kept").unwrap());
        assert_eq!(open().get("x/y").unwrap().as_deref(), Some(&b"kept"[..]));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_shown() {
        for (options, message) in [
            (options("", &[]), "not the URL"),
            (options("/var/lib/bellwether", &[]), "not the URL"),
            (options("file:///", &[]), "names no place"),
            (options("s3:///prefix", &[]), "names no place"),
            (options("ftp://host/folder", &[]), "unknown kind `ftp`"),
            (options("s3://bucket", &[("aws_canary", "canary")]), "property=`aws_canary`"),
            (options("file:///a", &[("aws_region", "x")]), "property=`aws_region`"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        options("s3://bucket/a/b", &[("aws_region", "x"), ("timeout", "3s")]).check().unwrap();
    }
}
