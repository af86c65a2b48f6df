"""Pages of listening tests, clicked through in a real browser."""

from __future__ import annotations

import json
import time

import pytest
from toy_recordings import make_clips

from evaluation import evaluate
from evaluation.listening.answers import read_answers, read_key
from evaluation.listening.findings import find
from evaluation.listening.page import make_page


class TestBrowser:
    """An assessor at work: mouse, keys, saved file, and back to the numbers."""

    def begin(self, browser, page, name):
        browser.get(page.as_uri())
        field = browser.find_element("name", "assessor")
        field.send_keys(name)
        field.submit()
        self.wait(browser, "return !document.getElementById('trial').hidden")

    def wait(self, browser, script):
        for _ in range(600):
            if browser.execute_script(script):
                return
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}")

    def ready(self, browser):
        count = "document.querySelectorAll('.row button').length"
        self.wait(
            browser,
            f"return {count} > 0 && Object.keys(player.buffers).length == {count}",
        )

    def saved(self, browser, link):
        before = (
            set(browser.downloads.glob("*")) if browser.downloads.exists() else set()
        )
        browser.find_element("id", link).click()
        for _ in range(600):
            new = set(browser.downloads.glob("answers-*")) - before
            if new and not any(path.suffix == ".crdownload" for path in new):
                return new.pop()
            time.sleep(0.05)
        raise AssertionError("nothing was saved")

    def no_errors(self, browser):
        assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]

    def test_mushra(self, browser, mushra, tmp_path):
        key = read_key(mushra.with_name("key.json"))
        places = {n: p for trial in key["trials"] for n, p in trial["stimuli"].items()}
        fair = {
            "reference": 100,
            "anchor-3500": 2,
            "anchor-7000": 97,
            "opus": 4,
            "rounding": 98,
        }
        self.begin(browser, mushra, 'Ada "A", L.')
        keys = browser.find_element("tag name", "body")
        orders = []
        for number in range(len(key["trials"])):
            self.wait(browser, f"return place === {number}")
            self.ready(browser)
            order = browser.execute_script("return trial.stimuli")
            orders.append([places[name] for name in order])
            button = browser.find_element("id", "next")
            assert not button.is_enabled()
            keys.send_keys("0")
            for index, name in enumerate(order):
                wanted = fair[key["conditions"][places[name]]["system"]]
                browser.switch_to.active_element.send_keys(str(index + 1))
                slider = browser.switch_to.active_element
                assert slider.get_attribute("type") == "range"
                slider.send_keys("\ue010" if wanted > 50 else "\ue011")  # End or Home
                step = "\ue012" if wanted > 50 else "\ue014"  # left or right
                slider.send_keys(step * (min(wanted, 100 - wanted)))
                assert slider.get_attribute("value") == str(wanted)
            assert button.is_enabled()
            if number == 0:  # it sounds, and Space stops it where it is
                self.wait(
                    browser,
                    "return player.context.state === 'running' && player.place() > 0",
                )
                browser.switch_to.active_element.send_keys(" ")
                assert browser.execute_script("return player.source === null")
            browser.switch_to.active_element.send_keys("\ue007")  # Enter
        self.wait(browser, "return !document.getElementById('end').hidden")
        assert orders[0] != orders[1]
        path = self.saved(browser, "json")
        (one,) = read_answers([path], key)
        assert one.assessor == 'Ada "A", L.'
        findings = find(key, [one])
        means = findings.summary.set_index("system")["mushra_mean"]
        assert {name: means[name].mean() for name in fair} == fair
        import pandas as pd

        table = pd.read_csv(self.saved(browser, "csv"))
        assert len(table) == len(places)
        assert set(table["assessor"]) == {'Ada "A", L.'}
        self.no_errors(browser)

    def test_keys_reach_every_version(self, browser, tmp_path):
        """Beyond nine there are no digits any more."""
        evaluate(
            make_clips(tmp_path / "clips"), ["toy_systems:Rounding"], [1, 2, 3, 4],
            ["si_sdr_raw"], baselines=["opus:1.0/0.95/0.9", "identity", "resample"],
            output=tmp_path / "run", workers=0, report=False, domain="speech",
        )  # fmt: skip
        everything = ["rounding", "opus", "identity", "resample"]
        page = make_page(tmp_path / "run", tmp_path / "page", "mushra", 1, everything)
        self.begin(browser, page, "Eve")
        self.ready(browser)
        seen = []
        for key in "0123456789abc":
            browser.switch_to.active_element.send_keys(key)
            seen.append(browser.switch_to.active_element.get_attribute("aria-label"))
        assert seen[1:] == [f"Rating of version {number}" for number in range(1, 13)]
        assert browser.execute_script("return trial.heard.size") == 13
        self.no_errors(browser)

    def test_a_reload_loses_nothing(self, browser, run, tmp_path):
        page = make_page(run, tmp_path / "ab", "ab", 3, ["rounding@1", "opus@c=1"])
        key = read_key(page.with_name("key.json"))
        wanted = {}
        for visit in range(2):
            self.begin(browser, page, "Bo")
            assert browser.execute_script("return place") == 2 * visit
            for _ in range(2 if visit == 0 else 1):
                number = browser.execute_script("return place")
                self.ready(browser)
                trial = browser.execute_script("return [trial.id, trial.stimuli]")
                wanted[trial[0]] = (trial[1][0], trial[1][1], None)[number]
                body = browser.find_element("tag name", "body")
                body.send_keys("12")
                body.send_keys("abn"[number])
                browser.find_element("id", "next").click()
                self.wait(browser, f"return place === {number + 1}")
        self.wait(browser, "return !document.getElementById('end').hidden")
        content = json.loads(self.saved(browser, "json").read_text())
        assert {row["trial"]: row["stimulus"] for row in content["ratings"]} == wanted
        assert content["page"] == key["page"]
        self.no_errors(browser)

    def test_abx(self, browser, run, tmp_path):
        page = make_page(run, tmp_path / "abx", "abx", 1)
        key = read_key(page.with_name("key.json"))
        self.begin(browser, page, "Cy")
        self.ready(browser)
        names = browser.execute_script("return trial.stimuli")
        right = key["trials"][0]["stimuli"][names[0]] == key["trials"][0]["x"]
        for label in ("▶ A", "▶ B", "▶ X", "X is A"):
            browser.find_element("xpath", f"//button[text()='{label}']").click()
        browser.find_element("id", "next").click()
        self.wait(browser, "return !document.getElementById('end').hidden")
        (one,) = read_answers([self.saved(browser, "json")], key)
        assert set(one.ratings["value"]) == {100.0 if right else 0.0}
        self.no_errors(browser)

    @pytest.mark.parametrize(
        "twice",
        [
            "at('next').click(); at('next').click()",
            "for (const repeat of [false, true, false]) document.body.dispatchEvent("
            "new KeyboardEvent('keydown', {key: 'Enter', repeat, bubbles: true}))",
        ],
        ids=["clicks", "keys"],
    )
    def test_two_quick_answers_are_one(self, browser, run, tmp_path, twice):
        page = make_page(run, tmp_path / "ab", "ab", 2, ["rounding@1", "opus@c=1"])
        self.begin(browser, page, f"Di {len(twice)}")
        self.ready(browser)
        browser.find_element("tag name", "body").send_keys("12a")
        # In one turn of the page: the next trial cannot be there yet.
        seen = browser.execute_script(
            f"{twice}; hear(trial.stimuli[0]); "
            "return [place, Object.keys(answers).length, trial.heard.size]"
        )
        assert seen == [1, 1, 0]
        self.ready(browser)
        browser.find_element("tag name", "body").send_keys("12b\ue007")
        self.wait(browser, "return !document.getElementById('end').hidden")
        (one,) = read_answers(
            [self.saved(browser, "json")], read_key(page.with_name("key.json"))
        )
        assert len(one.ratings) == 4
        self.no_errors(browser)

    @pytest.mark.parametrize("width", [1440, 500])
    def test_nothing_sticks_out(self, browser, mushra, width):
        browser.set_window_size(width, 900)
        self.begin(browser, mushra, f"width {width}")
        self.ready(browser)
        seen, window = browser.execute_script(
            "return [document.documentElement.scrollWidth, innerWidth]"
        )
        assert seen <= window
