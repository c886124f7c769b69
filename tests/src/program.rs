//! Programs of the system that a test needs (logrotate, fincore, a shell): found or not, run to their end or started.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// From the signal that ends a program to its end.
const STOP_MAX: Duration = Duration::from_secs(15);

/// A program that is installed.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

impl Program {
    /// Looks along `PATH` and where system programs are, which is not on every user's path.
    pub fn find(name: &str) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let system = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
        let mut places = std::env::split_paths(&path).chain(system).map(|directory| directory.join(name));
        places.find(|path| path.is_file()).map(Self)
    }

    /// The one at that path.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Runs it; its standard output. Panics with its standard error when it fails.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let (code, output, errors) = self.outcome_with(args, &[]);
        assert_eq!(code, Some(0), "{}: {errors}", self.0.display());
        output
    }

    /// Runs it with further variables: its exit code, its standard output and its standard error.
    #[expect(clippy::disallowed_methods, reason = "the place that runs other programs than the one under test")]
    pub fn outcome_with<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        env: &[(&str, &OsStr)],
    ) -> (Option<i32>, String, String) {
        let done = Command::new(&self.0).args(args).envs(env.iter().copied()).output();
        let done = done.unwrap_or_else(|error| panic!("{}: {error}", self.0.display()));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    /// Starts it, and goes on. Its standard output is kept for the end.
    #[expect(clippy::disallowed_methods, reason = "the place that runs other programs than the one under test")]
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        let child = Command::new(&self.0).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Running(Some(child.unwrap_or_else(|error| panic!("{}: {error}", self.0.display()))))
    }

    /// Starts a server with further variables; what it says is added to the file.
    #[expect(clippy::disallowed_methods, reason = "the place that runs other programs than the one under test")]
    pub fn serve<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, env: &[(String, String)], log: &Path) -> Running {
        let open = || OpenOptions::new().create(true).append(true).open(log).expect("a log can be written");
        let mut command = Command::new(&self.0);
        command.args(args).envs(env.iter().map(|(name, value)| (name, value)));
        let child = command.stdin(Stdio::null()).stdout(open()).stderr(open()).spawn();
        Running(Some(child.unwrap_or_else(|error| panic!("{}: {error}", self.0.display()))))
    }
}

/// A program that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running(Option<Child>);

impl Running {
    /// Its process number.
    pub fn id(&self) -> u32 {
        self.0.as_ref().expect("it runs").id()
    }

    /// SIGUSR1, which those who write logs take as: open the file anew.
    pub fn reopen(&self) {
        self.signal(Signal::USR1);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.as_mut().expect("it runs").try_wait().expect("a child can be asked")
    }

    /// SIGTERM, and the end of it.
    pub fn terminate(mut self) {
        self.signal(Signal::TERM);
        wait::for_condition("a program to end when it is told to", STOP_MAX, || self.ended().is_some());
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.id().cast_signed()).expect("a child has a process number");
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits for its end, which the caller has brought about; its standard output.
    pub fn finish(mut self) -> String {
        let child = self.0.take().expect("it runs");
        let done = child.wait_with_output().expect("a child can be waited for");
        assert!(done.status.success(), "{}", done.status);
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_and_run_or_not_there() {
        let shell = Program::find("sh").unwrap();
        assert_eq!(shell.run(["-c", "echo so"]), "so\n");
        let outcome = shell.outcome_with(["-c", "echo $WHY >&2; exit 3"], &[("WHY", OsStr::new("so"))]);
        assert_eq!(outcome, (Some(3), String::new(), "so\n".to_owned()));
        assert!(Program::find("there-is-no-such-program").is_none());
    }
}
