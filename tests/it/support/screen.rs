//! A pseudoterminal for the real binary, and a person before it.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What stands on a terminal.
pub struct Screen {
    /// Everything that was shown so far.
    pub text: String,
    chunks: mpsc::Receiver<String>,
    keyboard: File,
}

impl Screen {
    /// A terminal to be given away, and its screen.
    pub fn with_terminal() -> (Self, File) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal = OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).unwrap();
        let (sender, chunks) = mpsc::channel();
        let keyboard = File::from(master.try_clone().unwrap());
        thread::spawn(move || {
            let (mut master, mut bytes) = (File::from(master), [0; 4096]);
            // Linux ends it with an error when the last writer has gone.
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                let _gone = sender.send(String::from_utf8_lossy(&bytes[..count]).replace("\r\n", "\n"));
            }
        });
        (Self { text: String::new(), chunks, keyboard }, terminal)
    }

    pub fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    pub fn wait_for(&mut self, end: &str) {
        while !self.text.ends_with(end) {
            self.read_more();
        }
    }

    /// Waits until something more is shown.
    pub fn read_more(&mut self) {
        self.text.push_str(&self.chunks.recv_timeout(Duration::from_secs(60)).expect("more on the screen"));
    }

    /// Reads what is shown until nobody has the terminal any more, and the test has dropped its own.
    pub fn read_to_end(mut self) -> String {
        while let Ok(chunk) = self.chunks.recv_timeout(Duration::from_secs(60)) {
            self.text.push_str(&chunk);
        }
        self.text
    }
}
