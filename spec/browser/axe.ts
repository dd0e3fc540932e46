import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';

interface Finding {
  readonly id: string;
  readonly impact: string | null;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

const source = readFileSync(join(process.cwd(), 'node_modules/axe-core/axe.min.js'), 'utf8');

interface Axe {
  readonly run: (
    context: { exclude: readonly string[] },
    options: { runOnly?: readonly string[] },
  ) => Promise<{ violations: Finding[] }>;
}

/**
 * Checks the accessibility of a page with axe, also inside of open shadow roots.
 *
 * @param exclude - Selectors of elements that are not checked.
 * @param rules - The only rules to check. An empty list means all rules.
 * @returns One text for each serious or critical finding.
 */
export const findAccessibilityFaults = async (
  page: Page,
  exclude: readonly string[] = [],
  rules: readonly string[] = [],
): Promise<readonly string[]> => {
  await page.evaluate(source);
  const violations = await page.evaluate(
    async ([selectors, runOnly]) => {
      const { axe } = globalThis as unknown as { axe: Axe };
      return (await axe.run({ exclude: selectors }, runOnly.length > 0 ? { runOnly } : {})).violations;
    },
    [exclude, rules] as const,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n${nodes.map((node) => `${node.html}\n${node.failureSummary}`).join('\n')}`,
    );
};
