/** A Markdown file of the repository that is a page of the site. */
export interface Guide {
  /** Its path in the repository. */
  readonly file: string;
  /** Its text in the sidebar. */
  readonly text: string;
}

export interface GuideGroup {
  readonly text: string;
  readonly guides: readonly Guide[];
}

const guide = (text: string, file: string): Guide => ({ text, file });

/** The pages of the site, in the order in which a newcomer reads them. */
export const guideGroups: readonly GuideGroup[] = [
  {
    text: 'Begin',
    guides: [
      guide('Start', 'README.md'),
      guide('Data and conflicts', 'docs/data.md'),
      guide('Subscriptions', 'docs/subscriptions.md'),
      guide('Offline in browsers', 'docs/offline.md'),
    ],
  },
  {
    text: 'Sessions',
    guides: [
      guide('Sync state', 'docs/sync-state.md'),
      guide('The connection', 'docs/connection.md'),
      guide('Waiting', 'docs/waiting.md'),
      guide('Progress', 'docs/progress.md'),
      guide('Errors', 'docs/errors.md'),
      guide('Access tokens', 'docs/tokens.md'),
    ],
  },
  {
    text: 'Your app',
    guides: [
      guide('Angular', 'docs/angular.md'),
      guide('Recipes', 'docs/recipes.md'),
      guide('The inspector', 'docs/inspector.md'),
      guide('Storage', 'docs/storage.md'),
      guide('Browser tabs', 'docs/tabs.md'),
      guide('Testing in marbles', 'docs/testing.md'),
      guide('Coming from Realm', 'docs/coming-from-realm.md'),
    ],
  },
  {
    text: 'Your server',
    guides: [
      guide('Hosting', 'docs/hosting.md'),
      guide('Security', 'docs/security.md'),
      guide('Many sessions', 'docs/scale.md'),
      guide('Tools', 'docs/tools.md'),
    ],
  },
  {
    text: 'Reference',
    guides: [
      guide('Glossary', 'docs/GLOSSARY.md'),
      guide('Behaviours', 'docs/behaviours.md'),
      guide('Protocol', 'docs/PROTOCOL.md'),
      guide('Architecture', 'docs/ARCHITECTURE.md'),
      guide('Benchmarks', 'docs/BENCHMARKS.md'),
      guide('Decisions', 'docs/DECISIONS.md'),
    ],
  },
  {
    text: 'Project',
    guides: [
      guide('Changes', 'CHANGELOG.md'),
      guide('Contributing', 'CONTRIBUTING.md'),
      guide('Code of conduct', 'CODE_OF_CONDUCT.md'),
      guide('Reporting a vulnerability', 'SECURITY.md'),
      guide('Releases', 'docs/releasing.md'),
      guide('This site', 'site/README.md'),
    ],
  },
];

/** Names of pages whose files have the same names as those of others, or that are no good addresses. */
const pageNames: Readonly<Record<string, string>> = {
  'README.md': 'start',
  'CHANGELOG.md': 'changes',
  'CODE_OF_CONDUCT.md': 'code-of-conduct',
  'SECURITY.md': 'vulnerabilities',
  'site/README.md': 'this-site',
};

/** Returns the name of a page: the last part of its address, without an extension. */
export const pageNameOf = (file: string): string =>
  pageNames[file] ?? file.slice(file.lastIndexOf('/') + 1, -'.md'.length).toLowerCase();
