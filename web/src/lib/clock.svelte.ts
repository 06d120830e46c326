/** The present, to half a minute: enough for "3 minutes ago". */
const TICK_MS = 30_000;

class Clock {
  #now = $state(Date.now());

  get now(): number {
    return this.#now;
  }

  start(): () => void {
    const timer = setInterval(() => (this.#now = Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }
}

export const clock = new Clock();
