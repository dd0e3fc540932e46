export type Tier = 'fast' | 'node' | 'system';
export declare const slowSpecs: readonly string[];
export declare const readSpecs: (root: string) => string[];
export declare const createImportReader: (root: string) => (spec: string) => string[];
export declare const tierOf: (spec: string, modules: readonly string[]) => Tier;
export declare const readTiers: (root: string) => Record<Tier, string[]>;
