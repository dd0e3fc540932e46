/** The page of the inspector. It has no data: its script loads the data for a user with a token. */
export const pageHtml = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tidemark inspector</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="inspector/page.css">
<script type="module" src="inspector/page.js"></script>
</head>
<body>
<header>
<h1>tidemark <span>inspector</span></h1>
<p id="state" role="status" data-state="loading">Loading</p>
<p id="reader"></p>
<div id="actions" hidden>
<button type="button" id="stop" aria-pressed="false">Stop updates</button>
<button type="button" id="forget" hidden>Forget the token</button>
</div>
</header>
<main>
<form id="login" hidden>
<h2>Open the inspector</h2>
<p>The inspector shows the connections and sessions of the realms that the user of an access token may read. The token
stays in this tab, and is sent to this server only.</p>
<label for="token">Access token</label>
<div><input id="token" type="password" autocomplete="off" spellcheck="false" required aria-describedby="fault">
<button>Show the server</button></div>
<p id="fault" role="alert"></p>
</form>
<div id="content" hidden>
<h2 class="hidden">Totals</h2>
<dl id="totals"></dl>
<div id="search"><label for="filter">Filter</label>
<input id="filter" type="search" placeholder="realm, user, address or replica" spellcheck="false"></div>
<h2 id="realms-title">Realms</h2>
<div class="scroll" role="region" aria-labelledby="realms-title" tabindex="0">
<table aria-labelledby="realms-title"><thead><tr><th scope="col">Realm</th><th scope="col" class="number">Sessions</th>
<th scope="col" class="number">Version</th><th scope="col" class="number">Changesets/s</th>
<th scope="col">Last minute</th><th scope="col" class="number">History</th>
<th scope="col" class="number">Growth/s</th><th scope="col">Filters</th></tr></thead><tbody id="realms"></tbody></table></div>
<p class="more" id="realms-more"></p>
<h2 id="connections-title">Connections</h2>
<div class="scroll" role="region" aria-labelledby="connections-title" tabindex="0">
<table aria-labelledby="connections-title"><thead><tr><th scope="col" class="number">No.</th><th scope="col">User</th>
<th scope="col">Address</th><th scope="col" class="number">Open for</th><th scope="col" class="number">Messages/s in</th>
<th scope="col" class="number">Messages/s out</th><th scope="col" class="number">Bytes/s in</th>
<th scope="col" class="number">Bytes/s out</th>
<th scope="col">Last minute</th><th scope="col" class="number">Sessions</th></tr></thead>
<tbody id="connections"></tbody></table></div>
<p class="more" id="connections-more"></p>
<h2 id="sessions-title">Sessions</h2>
<div class="scroll" role="region" aria-labelledby="sessions-title" tabindex="0">
<table aria-labelledby="sessions-title"><thead><tr><th scope="col">Realm</th><th scope="col">User</th>
<th scope="col">Replica</th><th scope="col">Access</th><th scope="col">Subscriptions</th><th scope="col" class="number">Connection</th>
<th scope="col" class="number">Has version</th><th scope="col" class="number">Behind</th></tr></thead>
<tbody id="sessions"></tbody></table></div>
<p class="more" id="sessions-more"></p>
</div>
</main>
</body>
</html>
`;
