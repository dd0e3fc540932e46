/** The claims of a JSON Web Token (RFC 7519), which nobody has checked; none for a token of another kind. */
export const claimsOf = (token: string): Readonly<Record<string, unknown>> => {
  try {
    const payload = token.split('.')[1] ?? '';
    return Object(JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')))) as Record<string, unknown>;
  } catch {
    return {};
  }
};

/**
 * The user of a token, where it says one in `sub`, byte by byte: to be compared, not shown. `null`: it does not say.
 */
export const userOf = (token: string | null): string | null => {
  const { sub } = claimsOf(token ?? '');
  return typeof sub === 'string' && sub !== '' ? sub : null;
};
