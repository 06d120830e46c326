/** Every address of the page. */
export const ROUTES = {
  create: '/',
  job: '/jobs/:id',
  security: '/me/security',
  people: '/admin/users',
  workspaces: '/admin/workspaces',
  members: '/admin/workspaces/:id',
  setup: '/setup',
  login: '/login',
  register: '/register',
  verify: '/verify-email',
  forgot: '/forgot',
  reset: '/reset',
  invitation: '/invitation',
} as const;

export type RouteName = keyof typeof ROUTES;

/** What is shown without a session. */
const ENTRANCES: readonly RouteName[] = ['setup', 'login', 'register', 'verify', 'forgot', 'reset', 'invitation'];

export const isEntrance = (place: Place | undefined): boolean => place !== undefined && ENTRANCES.includes(place.name);

type ParameterNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParameterNames<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

export type Parameters<Name extends RouteName> = Record<ParameterNames<(typeof ROUTES)[Name]>, string>;

export type Place = { [Name in RouteName]: { name: Name; params: Parameters<Name> } }[RouteName];

/** The address of a route. A route with parameters does not compile without them. */
export function href<Name extends RouteName>(
  name: Name,
  ...[params]: ParameterNames<(typeof ROUTES)[Name]> extends never ? [] : [Parameters<Name>]
): string {
  const given: Record<string, string> = params ?? {};
  return ROUTES[name].replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(given[key] ?? ''));
}

/** The route at an address; undefined where there is none. */
export function match(pathname: string): Place | undefined {
  const parts = split(pathname);
  for (const [name, path] of Object.entries(ROUTES)) {
    const pattern = split(path);
    if (pattern.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = pattern.every((piece, index) => {
      const part = parts[index] ?? '';
      if (!piece.startsWith(':')) return piece === part;
      const value = decode(part);
      if (value === undefined || value === '') return false;
      params[piece.slice(1)] = value;
      return true;
    });
    if (fits) return { name, params } as Place;
  }
  return undefined;
}

function split(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
