//! A server that answers as it is told and keeps what it received: a backend, or a stand-in for the service.

use std::{
    mem,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::StatusCode,
    web::{self, Bytes, Data, PayloadConfig},
};

/// One request, as it came.
#[derive(Debug)]
pub struct Received {
    pub method: String,
    /// With its query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Received {
    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The names of all headers, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

#[derive(Default)]
struct State {
    status: Mutex<u16>,
    headers: Mutex<Vec<(&'static str, String)>>,
    received: Mutex<Vec<Received>>,
}

/// A running one, gone when this is dropped.
pub struct Recorder {
    pub address: SocketAddr,
    state: Data<State>,
    server: ServerHandle,
}

impl Recorder {
    /// Starts one that answers 200.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Data::from(Arc::new(State { status: Mutex::new(200), ..State::default() }));
        let data = state.clone();
        let server = HttpServer::new(move || {
            let limit = PayloadConfig::new(8 << 20);
            App::new().app_data(limit).app_data(data.clone()).default_service(web::to(receive))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, state, server: handle }
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16, headers: &[(&'static str, String)]) {
        *self.state.status.lock().unwrap() = status;
        *self.state.headers.lock().unwrap() = headers.to_vec();
    }

    /// All that came since this was last asked.
    pub fn take(&self) -> Vec<Received> {
        mem::take(&mut *self.state.received.lock().unwrap())
    }

    /// The one request that came since this was last asked.
    #[track_caller]
    pub fn only(&self) -> Received {
        let mut received = self.take();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // It is told at once; what is not awaited is the end.
        drop(self.server.stop(false));
    }
}

async fn receive(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
    state.received.lock().unwrap().push(Received {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: headers.collect(),
        body,
    });
    let mut response = HttpResponse::build(StatusCode::from_u16(*state.status.lock().unwrap()).unwrap());
    for header in state.headers.lock().unwrap().iter() {
        response.append_header((header.0, header.1.as_str()));
    }
    response.finish()
}
