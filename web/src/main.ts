import './styles/fonts.css';
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import App from './app/App.svelte';
import { appearance } from './lib/theme.svelte';

appearance.show();
const target = document.getElementById('app');
if (target !== null) mount(App, { target });
