/**
 * The texts travel in two parts, so that a first visit to the studio does not carry those of screens
 * that are opened now and then. A family is what stands before the first dot of a key.
 */
export const PARTS = ['shell', 'rest'] as const;
export type Part = (typeof PARTS)[number];

const REST: readonly string[] = [
  ...['setup', 'entrance', 'login', 'register', 'mail', 'forgot', 'reset', 'verify', 'invitation', 'credential', 'strength'],
  ...['form', 'copy', 'security', 'passkey', 'totp', 'recovery', 'password', 'session', 'api_key', 'scope', 'scope_verb', 'step_up'],
  ...['people', 'workspace', 'account_state', 'role_help'],
];

export const partOf = (key: string): Part => (REST.includes(key.split('.')[0] ?? '') ? 'rest' : 'shell');
