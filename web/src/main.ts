import './styles/fonts.css';
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import App from './app/App.svelte';
import { language } from './lib/i18n/i18n.svelte';
import { arrival } from './lib/session/arrival.svelte';
import { appearance } from './lib/theme.svelte';

// First of all: what a link in a mail brought leaves the address bar.
arrival.start();
appearance.show();
await language.start();
const target = document.getElementById('app');
if (target !== null) mount(App, { target });
