import './styles/fonts.css';
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import App from './app/App.svelte';
import { language } from './lib/i18n/i18n.svelte';
import { appearance } from './lib/theme.svelte';

appearance.show();
await language.start();
const target = document.getElementById('app');
if (target !== null) mount(App, { target });
