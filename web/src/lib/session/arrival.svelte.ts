/**
 * The token of a link in a mail. It comes behind the `#`, which no server and no log sees, and leaves
 * the address bar and the history before anything else happens.
 */
class Arrival {
  #token = $state<string | undefined>(undefined);

  get token(): string | undefined {
    return this.#token;
  }

  start(): void {
    this.#take();
    addEventListener('hashchange', () => this.#take());
  }

  #take(): void {
    const token = new URLSearchParams(location.hash.slice(1)).get('token');
    if (token === null) return;
    this.#token = token;
    history.replaceState(history.state, '', location.pathname + location.search);
  }
}

export const arrival = new Arrival();
