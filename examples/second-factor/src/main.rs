//! Serves the application on loopback: `cargo run -p second-factor`, then <http://localhost:4010>.

use std::net::SocketAddr;

use countersign::BoxError;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let app = second_factor::App::demo().await?.router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4010").await?;
    println!("http://localhost:4010, user alice, password alice-password");
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
