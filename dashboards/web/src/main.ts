import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { showTheme, usual } from "./lib/preferences.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("the page has no element #app");
// Until a login tells better, as the machine likes it.
showTheme(usual().theme);
mount(App, { target });
