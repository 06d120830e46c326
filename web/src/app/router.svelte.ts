import { match, type Place } from './routes';

/** Whether a click on a link is ours to handle: plain, same origin, same window, not a file. */
export function isInternal(event: MouseEvent, link: HTMLAnchorElement, origin: string): boolean {
  return (
    !event.defaultPrevented &&
    event.button === 0 &&
    !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) &&
    link.origin === origin &&
    !link.hasAttribute('download') &&
    (link.target === '' || link.target === '_self')
  );
}

class Router {
  #place = $state<Place | undefined>(match(location.pathname));
  /** How many times the place changed since the page was opened; the first heading takes no focus. */
  #moves = $state(0);

  get place(): Place | undefined {
    return this.#place;
  }

  get moves(): number {
    return this.#moves;
  }

  go(address: string): void {
    history.replaceState({ scroll: scrollY }, '');
    history.pushState({ scroll: 0 }, '', address);
    this.#arrive(0);
  }

  /** Goes there without a way back: what was here is no place to come back to. */
  replace(address: string): void {
    history.replaceState({ scroll: 0 }, '', address);
    this.#arrive(0);
  }

  start(): () => void {
    history.scrollRestoration = 'manual';
    const click = (event: MouseEvent): void => {
      const link = event.target instanceof Element ? event.target.closest('a') : null;
      if (link === null || !isInternal(event, link, location.origin)) return;
      if (match(link.pathname) === undefined) return;
      event.preventDefault();
      if (link.href !== location.href) this.go(link.pathname + link.search);
    };
    const back = (event: PopStateEvent): void => {
      const state: unknown = event.state;
      const kept = typeof state === 'object' && state !== null && 'scroll' in state ? state.scroll : 0;
      this.#arrive(typeof kept === 'number' ? kept : 0);
    };
    document.addEventListener('click', click);
    addEventListener('popstate', back);
    return () => {
      document.removeEventListener('click', click);
      removeEventListener('popstate', back);
    };
  }

  #arrive(scroll: number): void {
    this.#place = match(location.pathname);
    this.#moves += 1;
    requestAnimationFrame(() => scrollTo({ top: scroll, behavior: 'instant' }));
  }
}

export const router = new Router();
