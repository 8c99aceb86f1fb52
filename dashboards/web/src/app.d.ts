/** Where the gateway is, as the build was told; empty: where the page came from. */
declare const API_URL: string;
