/** Returns the unverified claims of a JSON Web Token (RFC 7519), or an empty object for another kind of token. */
export const claimsOf = (token: string): Readonly<Record<string, unknown>> => {
  try {
    const payload = token.split('.')[1] ?? '';
    return Object(JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))) as Record<string, unknown>;
  } catch {
    return {};
  }
};

/**
 * Returns the user of a token: its `sub`, to be compared byte by byte and not to be shown. `null`: the token has none.
 */
export const userOf = (token: string | null): string | null => {
  const { sub } = claimsOf(token ?? '');
  return typeof sub === 'string' && sub !== '' ? sub : null;
};
