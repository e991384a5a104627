//! A tab: what a person does with it, and what they see.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::devtools::DevTools;

/// How often the page looks whether something has become true, in milliseconds.
const LOOK: u32 = 20;
/// Nothing that a page shows takes a third of this on a loaded machine.
const PAGE_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Page {
    devtools: DevTools,
    session: String,
}

impl Page {
    pub(crate) async fn open(devtools: &DevTools, width: u32, height: u32) -> Self {
        let target = devtools
            .call(None, "Target.createTarget", json!({ "url": "about:blank" }))
            .await
            .unwrap();
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = devtools
            .call(None, "Target.attachToTarget", attach)
            .await
            .unwrap();
        let page = Self {
            devtools: devtools.clone(),
            session: attached["sessionId"].as_str().unwrap().to_owned(),
        };
        page.call("Page.enable", json!({})).await;
        page.call("Runtime.enable", json!({})).await;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        page.call("Emulation.setDeviceMetricsOverride", size).await;
        page
    }

    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.devtools.call(Some(&self.session), method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Goes to an address and waits until it is loaded.
    pub(crate) async fn go(&self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")
            .await;
    }

    pub(crate) async fn reload(&self) {
        self.eval("window.before = true").await;
        self.call("Page.reload", json!({})).await;
        self.until("!window.before && document.readyState === 'complete'")
            .await;
    }

    /// The value of an expression; promises are waited for.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        match self.try_eval(expression).await {
            Ok(value) => value,
            Err(why) => panic!("{why}: {expression}"),
        }
    }

    async fn try_eval(&self, expression: &str) -> Result<Value, String> {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self
            .devtools
            .call(Some(&self.session), "Runtime.evaluate", params)
            .await?;
        if answer["exceptionDetails"].is_object() {
            let details = &answer["exceptionDetails"];
            let text = details["exception"]["description"].as_str();
            return Err(text.unwrap_or("an exception").to_owned());
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression is true, over reloads too.
    pub(crate) async fn until(&self, expression: &str) {
        let watch = format!(
            "new Promise((resolve) => {{ const look = () => {{ let is = false; try {{ is = !!({expression}); }} catch {{}} \
             if (is) resolve(); else setTimeout(look, {LOOK}); }}; look(); }})"
        );
        let watching = async {
            // A page that goes away takes its promises along.
            while self.try_eval(&watch).await.is_err() {}
        };
        if tokio::time::timeout(PAGE_PATIENCE, watching).await.is_err() {
            let shown = self.try_eval("document.body.innerText").await;
            panic!("it never was true: {expression}\nThe page shows: {shown:?}");
        }
    }

    /// Waits until the page shows a text.
    pub(crate) async fn shows(&self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", quoted(text)))
            .await;
    }

    /// Clicks what a selector finds first, once it is there.
    pub(crate) async fn click(&self, selector: &str) {
        let selector = quoted(selector);
        self.until(&format!("document.querySelector({selector})")).await;
        self.eval(&format!("document.querySelector({selector}).click()"))
            .await;
    }

    /// Presses a key, as `KeyboardEvent.key` names it.
    pub(crate) async fn press(&self, key: &str) {
        let (text, code) = match key {
            "Enter" => (Some("\r"), 13),
            "Escape" => (None, 27),
            "ArrowLeft" => (None, 37),
            "ArrowUp" => (None, 38),
            "ArrowRight" => (None, 39),
            "ArrowDown" => (None, 40),
            "Home" => (None, 36),
            "End" => (None, 35),
            "Tab" => (None, 9),
            one => (Some(one), i64::from(one.to_ascii_uppercase().as_bytes()[0])),
        };
        let mut event = json!({ "type": "rawKeyDown", "key": key, "windowsVirtualKeyCode": code });
        if let Some(text) = text {
            event["type"] = "keyDown".into();
            event["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", event).await;
    }

    /// Types a text where the keyboard is.
    pub(crate) async fn types(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Runs a script in every page of this tab, before its own.
    pub(crate) async fn bring(&self, script: &str) {
        let params = json!({ "source": script });
        self.call("Page.addScriptToEvaluateOnNewDocument", params).await;
    }

    /// Lets scripts call `name(text)`; each call is told to `called`.
    pub(crate) async fn bind(&self, name: &str, called: impl Fn(Self, String) + Send + 'static) {
        let mut events = self.devtools.events();
        let (page, wanted) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                if event["method"] == "Runtime.bindingCalled"
                    && event["sessionId"] == page.session.as_str()
                    && event["params"]["name"] == wanted.as_str()
                {
                    called(
                        page.clone(),
                        event["params"]["payload"].as_str().unwrap().to_owned(),
                    );
                }
            }
        });
        self.call("Runtime.addBinding", json!({ "name": name })).await;
    }

    /// Light or dark, as the system would say.
    pub(crate) async fn scheme(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        let still = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature, still] }),
        )
        .await;
    }

    /// Writes a picture of what is on the screen.
    pub(crate) async fn picture(&self, path: &Path) {
        let picture = self
            .call("Page.captureScreenshot", json!({ "format": "png" }))
            .await;
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// As a script writes it.
pub(crate) fn quoted(text: &str) -> String {
    json!(text).to_string()
}
