/** The channel of all tabs of a realm. */
export const commonChannel = 'all';

/** The lock of the tab that leads. */
export const leadLock = 'lead';

/** The channel between one tab and its leader, and the lock that the tab holds for as long as it runs. */
export const nameOfTab = (tab: string): string => `tab ${tab}`;
