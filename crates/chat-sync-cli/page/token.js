// The key of this page: it came in the address, after the #, which no browser sends anywhere.

const NAME = 'chat-sync-token';

const PATTERN = /^#token=([0-9a-f]+)$/i;

/** Whether the address brings one. */
export const hasToken = () => PATTERN.test(location.hash);

/** Takes the token out of the address bar, or finds the one this tab was opened with. Null when there is none. */
export function takeToken() {
  const match = PATTERN.exec(location.hash);
  if (match) {
    sessionStorage.setItem(NAME, match[1]);
    // Neither a bookmark nor a look over the shoulder gets at it.
    history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem(NAME);
}
