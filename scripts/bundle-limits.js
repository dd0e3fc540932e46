/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 46.8,
  openRealmAndClient: 86.5,
  record: 5,
  everything: 93.5,
  testing: 28,
};
