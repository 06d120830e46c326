import * as identity from '../api/identity';
import type { Entered, Me, Right } from '../api/identityTypes';
import { ProblemError } from '../api/problem';
import { BASE } from '../api/transport';
import { language } from '../i18n/i18n.svelte';
import { session } from '../memory';
import { appearance } from '../theme.svelte';
import { leave, renewal, tell } from './gate';

/** Whose draft the browser keeps. Somebody else who signs in here does not get to see it. */
const DRAFT_OWNER = 'studio.draft_of';
const DRAFT = 'studio.draft';

/** Who is signed in here. */
class Account {
  #me = $state.raw<Me | undefined>(undefined);
  #problem = $state.raw<ProblemError | undefined>(undefined);

  get me(): Me | undefined {
    return this.#me;
  }

  /** Why it is not known who is signed in; the studio may be away. */
  get problem(): ProblemError | undefined {
    return this.#problem;
  }

  can(right: Right): boolean {
    return this.#me?.rights.includes(right) ?? false;
  }

  /** Asks who is signed in. Without a session the transport leaves for the login. */
  async load(): Promise<void> {
    this.#problem = undefined;
    try {
      const me = await identity.me();
      const owner = session.read(DRAFT_OWNER);
      if (owner !== null && owner !== me.id) session.write(DRAFT, null);
      session.write(DRAFT_OWNER, me.id);
      this.#me = me;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (error.problem.status !== 401) this.#problem = error;
    }
  }

  /** Keeps the session alive while somebody looks: renewed ahead of its end, and on coming back. */
  keepAlive(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const plan = (): void => {
      clearTimeout(timer);
      if (document.visibilityState !== 'visible') return;
      timer = setTimeout(() => {
        // Whatever comes of it, the next request finds out; here the clock just goes on.
        void renewal.renew().then((outcome) => (outcome === 'over' ? undefined : plan()));
      }, renewal.wait());
    };
    document.addEventListener('visibilitychange', plan);
    plan();
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', plan);
    };
  }

  /** Whether this browser is signed in already: asked by the entrances, which must not be left for themselves. */
  async isInside(): Promise<boolean> {
    if (renewal.stamp() === null) return false;
    try {
      const response = await fetch(`${BASE}/me`, { headers: { accept: 'application/json' } });
      return response.ok || (response.status === 401 && (await renewal.renew()) === 'renewed');
    } catch {
      return false;
    }
  }

  /** A login worked: the page begins anew at an address, with nothing left of whoever was here before. */
  enter(entered: Entered, address: string): void {
    renewal.began(entered.expires_in);
    tell('changed');
    leave(address);
  }

  /** Notes a login without leaving the page: the setup goes on with the first passkey. */
  async begin(entered: Entered): Promise<void> {
    renewal.began(entered.expires_in);
    await this.load();
  }

  async logout(): Promise<void> {
    await identity.logout();
    renewal.ended();
    // The answer cleared what this browser keeps; how it reads and looks is nobody's secret.
    const { theme } = appearance;
    session.write(DRAFT, null);
    session.write(DRAFT_OWNER, null);
    appearance.choose(theme);
    await language.choose(language.locale);
    tell('over');
    leave('/login');
  }

  async moveTo(workspace: string): Promise<void> {
    this.enter(await identity.changeWorkspace(workspace), '/');
  }

  async rename(name: string): Promise<void> {
    await identity.changeMe({ name });
    if (this.#me !== undefined) this.#me = { ...this.#me, name };
  }

  /** The language of letters follows the language of the page; when that fails, only letters differ. */
  async speak(locale: string): Promise<void> {
    if (this.#me === undefined || this.#me.locale === locale) return;
    try {
      await identity.changeMe({ locale });
      this.#me = { ...this.#me, locale };
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
    }
  }
}

export const account = new Account();
