//! The default pages with sample data, as a browser lays them out: what a reader of their HTML alone cannot see.

use countersign_pages::Pages;
use countersign_tests::{Browser, Page, site};
use serde_json::{Value, json};

const SCREENS: [&str; 25] = [
    "password",
    "choose",
    "code",
    "wait",
    "contact",
    "enrol",
    "recovery_codes",
    "consent",
    "refused",
    "logout",
    "signed_out",
    "still_signed_in",
    "magic_link",
    "password_forgot",
    "password_reset",
    "password_change",
    "verify_email",
    "not_me",
    "account",
    "account_factors",
    "account_recovery_codes",
    "account_devices",
    "account_sessions",
    "account_applications",
    "account_events",
];

/// A site with a page for each screen, under the policy that the pages are made for.
fn previews() -> String {
    let pages = Pages::new("Example");
    site(move |asked| {
        let path = asked.line.trim_start_matches("GET /");
        let (language, screen) = path.split_once('/').unwrap_or(("en", path));
        let html = pages.preview(screen, language);
        let html = html.map(|html| String::from_utf8(html.to_vec()).unwrap()).unwrap_or_default();
        Page { headers: vec![("content-security-policy", pages.content_security_policy())], ..Page::new(html) }
    })
}

/// Shows every screen in every language and runs a script on it; yields those for which it does not return what is expected.
fn differing(browser: &Browser, previews: &str, script: &str, expected: &Value) -> Vec<String> {
    let differs = |page: &String| {
        browser.goto(&format!("{previews}/{page}"));
        let found = browser.execute(script);
        browser.screenshot(&page.replace('/', "-"));
        found != *expected
    };
    let pages = ["en", "de"].into_iter().flat_map(|language| SCREENS.map(|screen| format!("{language}/{screen}")));
    pages.filter(differs).collect()
}

#[test]
fn wcag_2_2_1_3_1_pages_have_a_heading_and_their_fields_labels() {
    let script = "
        const fields = [...document.querySelectorAll('input:not([type=hidden])')];
        const buttons = [...document.querySelectorAll('button')];
        return fields.every((field) => field.labels.length === 1 && field.labels[0].innerText.trim() !== '')
            && buttons.every((button) => button.innerText.trim() !== '')
            && document.querySelectorAll('h1').length === 1 && document.querySelectorAll('main').length === 1
            && document.title !== '' && document.documentElement.lang === location.pathname.split('/')[1]";
    assert_eq!(differing(&Browser::start("pages-labels"), &previews(), script, &json!(true)), [""; 0]);
}

#[test]
fn the_style_sheet_passes_the_policy_and_makes_targets_large_enough_wcag_2_2_2_5_8() {
    let script = "
        const targets = [...document.querySelectorAll('button, input:not([type=hidden]):not([type=checkbox])')];
        return getComputedStyle(document.querySelector('main')).maxWidth !== 'none'
            && targets.map((target) => target.getBoundingClientRect()).every((box) => box.height >= 24 && box.width >= 24)";
    assert_eq!(differing(&Browser::start("pages-targets"), &previews(), script, &json!(true)), [""; 0]);
}

#[test]
fn wcag_2_2_1_4_10_pages_fit_a_width_of_320_pixels() {
    let browser = Browser::start("pages-narrow");
    browser.set_width(320);
    let script = "const page = document.documentElement; return page.scrollWidth <= page.clientWidth";
    assert_eq!(differing(&browser, &previews(), script, &json!(true)), [""; 0]);
}

/// Twice the size of letters on half a laptop's width, and on a phone's: everything can be read, by scrolling one way.
#[test]
fn wcag_2_2_1_4_4_letters_of_twice_the_size_cut_nothing() {
    let script = "
        document.documentElement.style.fontSize = '200%';
        const page = document.documentElement;
        const cut = [...document.querySelectorAll('main *')].filter((element) => {
            const box = element.getBoundingClientRect();
            return element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline'
                || box.right > page.clientWidth + 1 || box.left < -1;
        });
        return [page.scrollWidth <= page.clientWidth, cut.map((element) => element.tagName + element.id)]";
    for (width, name) in [(640, "pages-zoomed"), (320, "pages-zoomed-narrow")] {
        let browser = Browser::start(name);
        browser.set_width(width);
        assert_eq!(differing(&browser, &previews(), script, &json!([true, []])), [""; 0], "{width}");
    }
}

#[test]
fn wcag_2_2_1_4_3_text_stands_out_from_its_ground_in_light_and_dark() {
    for dark in [false, true] {
        let browser = Browser::start(if dark { "pages-dark" } else { "pages-light" });
        browser.prefer_dark(dark);
        assert_eq!(differing(&browser, &previews(), CONTRAST, &json!([])), [""; 0], "dark: {dark}");
    }
}

/// The texts whose contrast is under 4.5 to 1, by the formula of WCAG 2.2 (relative luminance).
const CONTRAST: &str = "
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = numbers(getComputedStyle(at).backgroundColor);
            if (colour[3] === undefined || colour[3] === 1) return colour;
        }
        return matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0] : [255, 255, 255];
    };
    const weak = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');
        if (!own || element.closest('svg') || element.offsetParent === null) continue;
        const pair = [luminance(numbers(getComputedStyle(element).color)), luminance(ground(element))].sort((a, b) => b - a);
        if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) weak.push(element.textContent.trim());
    }
    return weak;";
