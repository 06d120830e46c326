/** Where to go after a login: an address of this page and no other. */
export function safeReturn(wanted: string | null, origin: string): string {
  if (wanted === null || !wanted.startsWith('/')) return '/';
  const url = URL.parse(wanted, origin);
  if (url === null || url.origin !== origin) return '/';
  // `/.//other.example` is ours as an address and another's as a path: dots are gone, two slashes stay.
  if (url.pathname.startsWith('//')) return '/';
  // The API and the entrances are no place to come back to.
  if (/^\/(api|v1|login|setup|callbacks)(\/|$)/.test(url.pathname)) return '/';
  return url.pathname + url.search;
}

/** The address of the login that leads back here. */
export function loginAddress(here: { pathname: string; search: string }, ended: boolean): string {
  const query = new URLSearchParams();
  const back = here.pathname + here.search;
  if (back !== '/') query.set('return', back);
  if (ended) query.set('ended', '1');
  const text = query.toString();
  return text === '' ? '/login' : `/login?${text}`;
}
