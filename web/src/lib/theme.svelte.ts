import { preferences } from './memory';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const STORED = 'studio.theme';

class Appearance {
  #theme = $state<Theme>(THEMES.find((theme) => theme === preferences.read(STORED)) ?? 'system');

  get theme(): Theme {
    return this.#theme;
  }

  choose(theme: Theme): void {
    this.#theme = theme;
    preferences.write(STORED, theme);
    this.show();
  }

  show(): void {
    document.documentElement.dataset['theme'] = this.#theme;
  }
}

export const appearance = new Appearance();
