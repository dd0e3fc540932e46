/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 44.8,
  openRealmAndClient: 83.4,
  record: 5,
  everything: 90.5,
  testing: 28,
};
