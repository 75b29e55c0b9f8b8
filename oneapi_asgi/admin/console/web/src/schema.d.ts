export interface paths {
    "/about": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The page about this site, as it was written */
        get: operations["get_about"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/alert/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a test alert by mail and by webhook, and say what became of it */
        post: operations["post_alert_test"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what was done */
        get: operations["get_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/call": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The calls in flight, the newest first */
        get: operations["get_call"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List channels */
        get: operations["get_channel"];
        /** Change a channel */
        put: operations["put_channel"];
        /** Make a channel for each line of key, or one of all keys */
        post: operations["post_channel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a channel */
        get: operations["get_channel_id"];
        put?: never;
        post?: never;
        /** Delete a channel */
        delete: operations["delete_channel_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/{id}/copy": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a disabled copy of a channel */
        post: operations["post_channel_id_copy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/{id}/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Switch keys on and off, add and remove them */
        put: operations["put_channel_id_keys"];
        /** Show the keys of a channel */
        post: operations["post_channel_id_keys"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Change or delete many channels at once */
        post: operations["post_channel_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/disabled": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Delete the channels that are off */
        delete: operations["delete_channel_disabled"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/fetch_models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What the upstream of a channel that is not saved yet lists */
        post: operations["post_channel_fetch_models"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/fetch_models/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the upstream of a channel lists */
        get: operations["get_channel_fetch_models_id"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the channels stand, as seen by the process that answers */
        get: operations["get_channel_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All models that are known, or that a channel names */
        get: operations["get_channel_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find channels */
        get: operations["get_channel_search"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/tag": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Change all channels of a tag */
        put: operations["put_channel_tag"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/tag/disabled": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Disable all channels of a tag */
        post: operations["post_channel_tag_disabled"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/tag/enabled": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Enable all channels of a tag */
        post: operations["post_channel_tag_enabled"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/tags": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the tags of channels */
        get: operations["get_channel_tags"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Test many channels in the background */
        post: operations["post_channel_test"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/test/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a small request through a channel */
        post: operations["post_channel_test_id"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/test/state": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the test of many channels stands */
        get: operations["get_channel_test_state"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The kinds of channels */
        get: operations["get_channel_types"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/update_balance": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask all vendors who say so what is left, in the background */
        post: operations["post_channel_update_balance"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/update_balance/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask the vendor of a channel what is left */
        post: operations["post_channel_update_balance_id"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/channel/update_balance/state": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How that stands */
        get: operations["get_channel_update_balance_state"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document as a page */
        get: operations["get_docs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/group": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the names of groups */
        get: operations["get_group"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/group/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show what a group pays */
        get: operations["get_group_name_path"];
        /** Set what a group pays */
        put: operations["put_group_name_path"];
        post?: never;
        /** Have a group pay the whole price */
        delete: operations["delete_group_name_path"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/groups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what groups pay */
        get: operations["get_groups"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/home_page_content": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The first page, as it was written */
        get: operations["get_home_page_content"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the log */
        get: operations["get_log"];
        put?: never;
        post?: never;
        /** Take out the records of old calls */
        delete: operations["delete_log"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log/call/{request}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One call in detail, with its price */
        get: operations["get_log_call_request"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The log as a file */
        get: operations["get_log_export"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Search the log */
        get: operations["get_log_search"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log/self": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List one's own log */
        get: operations["get_log_self"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log/self/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One's own log as a file */
        get: operations["get_log_self_export"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log/self/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Search one's own log */
        get: operations["get_log_self_search"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log/self/stat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What one's own calls cost together */
        get: operations["get_log_self_stat"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/log/stat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What calls cost together */
        get: operations["get_log_stat"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The models that are known of each type */
        get: operations["get_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/notice": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is told to everybody */
        get: operations["get_notice"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/{provider}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where the browser comes back to: sign in, register or bind, as was intended at the start */
        get: operations["get_oauth_provider"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/{provider}/bind": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Unbind the account of a provider */
        delete: operations["delete_oauth_provider_bind"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/{provider}/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Send the browser to a provider, to sign in by it */
        get: operations["get_oauth_provider_start"];
        put?: never;
        /** Begin to bind an account of a provider: where to send the browser */
        post: operations["post_oauth_provider_start"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/email/bind": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Bind an address with the code that was sent to it */
        post: operations["post_oauth_email_bind"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/state": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A state for a page that sends the browser to a provider itself; who is signed in will bind */
        get: operations["get_oauth_state"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document */
        get: operations["get_openapi_json"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/option": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List options */
        get: operations["get_option"];
        /** Set an option */
        put: operations["put_option"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/option/about": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What options there are, and what each may be */
        get: operations["get_option_about"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/price": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List prices, and where each is from */
        get: operations["get_price"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/price/{model}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show what a model costs, as a group pays it */
        get: operations["get_price_model_path"];
        /** Set the price of a model or glob */
        put: operations["put_price_model_path"];
        post?: never;
        /** Remove a price that was set */
        delete: operations["delete_price_model_path"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/price/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set and remove many prices at once */
        post: operations["post_price_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/pricing": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The models of one's group, and what one pays for them */
        get: operations["get_pricing"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/redemption": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List codes */
        get: operations["get_redemption"];
        /** Change a code */
        put: operations["put_redemption"];
        /** Make codes, which are shown once */
        post: operations["post_redemption"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/redemption/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a code's row */
        get: operations["get_redemption_id"];
        put?: never;
        post?: never;
        /** Delete a code */
        delete: operations["delete_redemption_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/redemption/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find codes */
        get: operations["get_redemption_search"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/reset_password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a link by which a forgotten password is set anew */
        post: operations["post_reset_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/statistics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What calls add up to */
        get: operations["get_statistics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What this site offers */
        get: operations["get_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List own tokens */
        get: operations["get_token"];
        /** Change a token */
        put: operations["put_token"];
        /** Make a token; its key is shown once */
        post: operations["post_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/token/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show a token */
        get: operations["get_token_id"];
        put?: never;
        post?: never;
        /** Delete a token */
        delete: operations["delete_token_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/token/{id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give a token another key, shown once */
        post: operations["post_token_id_rotate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/token/all": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List everybody's tokens */
        get: operations["get_token_all"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/token/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find own tokens */
        get: operations["get_token_search"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/topup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Add to a user's quota */
        post: operations["post_topup"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/topup/order": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List one's own orders; administrators see all */
        get: operations["get_topup_order"];
        put?: never;
        /** Order quota, to be paid elsewhere */
        post: operations["post_topup_order"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/topup/order/{order}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Show an order */
        get: operations["get_topup_order_order"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/topup/webhook": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Report a payment, signed */
        post: operations["post_topup_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List users */
        get: operations["get_user"];
        /** Edit a user */
        put: operations["put_user"];
        /** Make a user */
        post: operations["post_user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A user with a role below yours */
        get: operations["get_user_id"];
        put?: never;
        post?: never;
        /** Delete a user */
        delete: operations["delete_user_id"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/{id}/2fa": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Take the second factor from a user who has lost it */
        delete: operations["delete_user_id_2fa"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/{id}/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Sign a user out everywhere; how many sessions there were */
        delete: operations["delete_user_id_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/2fa/backup_codes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** New recovery codes, in the place of those there were */
        post: operations["post_user_2fa_backup_codes"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/2fa/disable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sign in without a second factor again */
        post: operations["post_user_2fa_disable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/2fa/enable": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Have sign-ins ask for codes of this secret; gives recovery codes, once */
        post: operations["post_user_2fa_enable"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/2fa/setup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A new secret, to be enabled */
        post: operations["post_user_2fa_setup"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/2fa/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether you have a second factor */
        get: operations["get_user_2fa_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/aff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your invite code, if any */
        get: operations["get_user_aff"];
        put?: never;
        /** A new invite code */
        post: operations["post_user_aff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/available_models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The models that channels of your group name */
        get: operations["get_user_available_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Disable, enable or delete many users, or put them into a group */
        post: operations["post_user_batch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/confirm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Show once more that it is you, for the next ten minutes */
        post: operations["post_user_confirm"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/dashboard": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One's own calls of seven days */
        get: operations["get_user_dashboard"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sign in */
        post: operations["post_user_login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/login/2fa": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Show the second factor that is owed */
        post: operations["post_user_login_2fa"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sign out */
        post: operations["post_user_logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/manage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Disable, enable, delete, promote or demote a user */
        post: operations["post_user_manage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Register */
        post: operations["post_user_register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/reset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Set a password anew with the token of such a link; without one, a new one is in the answer */
        post: operations["post_user_reset"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Search users */
        get: operations["get_user_search"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/self": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your account */
        get: operations["get_user_self"];
        /** Change your name or password */
        put: operations["put_user_self"];
        post?: never;
        /** Delete your account */
        delete: operations["delete_user_self"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where you are signed in */
        get: operations["get_user_session"];
        put?: never;
        post?: never;
        /** Sign out everywhere else; how many there were */
        delete: operations["delete_user_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/session/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Sign out one of them */
        delete: operations["delete_user_session_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A new access token for scripts, shown once, in the place of the one before */
        post: operations["post_user_token"];
        /** Have no access token any more */
        delete: operations["delete_user_token"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/topup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Redeem a code */
        post: operations["post_user_topup"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user/whoami": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your account, or null for who has none */
        get: operations["get_user_whoami"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/verification": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a code to an address, to register it or bind it with */
        post: operations["post_verification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** AddressBody */
        AddressBody: {
            email: string;
        };
        /** AllTokensQuery */
        AllTokensQuery: {
            /** @default  */
            keyword: string;
            /**
             * @default
             * @enum {unknown}
             */
            order: "" | "created_time" | "name" | "remain_quota" | "used_quota";
            /** @default 0 */
            p: number;
            /** @default 10 */
            page_size: number;
            /** @default null */
            user_id: number | null;
        };
        /** AuditQuery */
        AuditQuery: {
            /**
             * @description Such as channel.edit.
             * @default
             */
            action: string;
            /**
             * @description The name of who did it.
             * @default
             */
            actor: string;
            /**
             * @description Go on after the page that had this in `before`.
             * @default
             */
            before: string;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            end_timestamp: number;
            /** @default null */
            kind: ("manage" | "system" | "test" | "topup") | null;
            /** @default 0 */
            p: number;
            /** @default 50 */
            page_size: number;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            start_timestamp: number;
            /** @default  */
            target: string;
            /**
             * @description Whom it concerns; 0: any.
             * @default 0
             */
            user_id: number;
        };
        /**
         * AuditRow
         * @description ``at`` is in Unix seconds. Without an actor the gateway did it itself.
         */
        AuditRow: {
            action: string;
            actor: string;
            actor_id: number | null;
            address: string;
            at: number;
            detail: Record<string, never>;
            id: number;
            /** @enum {unknown} */
            kind: "manage" | "system" | "test" | "topup";
            quota: number | null;
            request_id: string;
            target: string;
            text: string;
            user: string;
            user_id: number | null;
        };
        /** BalanceRow */
        BalanceRow: {
            balance: number;
            currency: string;
        };
        /**
         * BatchDone
         * @description How many were changed; the others.
         */
        BatchDone: {
            changed: number;
            refused: components["schemas"]["Refused"][];
        };
        /**
         * BillLine
         * @description ``price`` is in nano-dollars for a ``unit``, ``price_usd`` the same in dollars; ``amount_usd`` is exact, before
         *         the ratio. Minutes are counted in seconds. ``input`` and ``output`` are what has no price apart.
         */
        BillLine: {
            amount_usd: string;
            count: number;
            part: string;
            price: number;
            price_usd: string;
            /** @enum {unknown} */
            unit: "call" | "million_tokens" | "minute";
        };
        /**
         * BillRow
         * @description ``sum_usd`` is that of the lines, ``exact_usd`` what the ``ratio`` of the group makes of it; ``cost`` is that in
         *         nano-dollars, rounded up once. ``tier`` is the number of input tokens above which these prices apply, null where
         *         there are no others.
         */
        BillRow: {
            cost: number;
            exact_usd: string;
            lines: components["schemas"]["BillLine"][];
            quota: number;
            ratio: string;
            sum_usd: string;
            tier: number | null;
        };
        /** BindBody */
        BindBody: {
            code: string;
            email: string;
        };
        /**
         * CallAttempt
         * @description ``channel`` is 0 and ``key`` null for those who may not know; ``status`` null where there was no answer.
         */
        CallAttempt: {
            channel: number;
            channel_name: string;
            duration: number;
            failure: string;
            key: number | null;
            status: number | null;
            upstream_model: string;
        };
        /** CallbackQuery */
        CallbackQuery: {
            /** @default  */
            code: string;
            /** @default  */
            error: string;
            /** @default  */
            state: string;
        };
        /**
         * CallDetail
         * @description ``at`` is in Unix seconds, ``first_content`` and ``duration`` in seconds from then. ``cost`` is in nano-dollars.
         *         ``bill`` is null where the usage or the price is not known.
         */
        CallDetail: {
            at: number;
            attempts: components["schemas"]["CallAttempt"][];
            bill: components["schemas"]["BillRow"] | null;
            channel: number;
            channel_name: string;
            client: string;
            cost: number;
            duration: number;
            first_content: number | null;
            model: string;
            operation: string;
            quota: number;
            /** @enum {unknown} */
            reason: "aborted" | "client_gone" | "client_slow" | "done" | "drained" | "refused" | "revoked" | "upstream_cut" | "upstream_failed";
            request_id: string;
            status: number;
            stream: boolean;
            token_id: number;
            token_name: string;
            upstream_model: string;
            upstream_request_id: string;
            usage: components["schemas"]["Usage"] | null;
            user_id: number;
            username: string;
        };
        /**
         * CallRow
         * @description ``here`` is whether it is a call of the process that answers; of others the ``model``, ``operation`` and what
         *         follows from them are not known, and empty, 0 or null. ``started_at`` is in Unix seconds, ``first_content`` in
         *         seconds from then. ``attempt`` counts from 1, and is 0 while nobody has been asked; ``channel`` is whom it is put
         *         to, 0 for those who may not know. ``held`` is in nano-dollars, null for a call that has only just begun.
         */
        CallRow: {
            /** @default 0 */
            attempt: number;
            /** @default 0 */
            channel: number;
            /** @default  */
            channel_name: string;
            /** @default null */
            first_content: number | null;
            held: number | null;
            held_quota: number | null;
            here: boolean;
            /** @default  */
            model: string;
            /** @default  */
            operation: string;
            request_id: string;
            started_at: number;
            /** @default null */
            state: ("streaming" | "waiting") | null;
            /** @default null */
            stream: boolean | null;
            token_id: number;
            token_name: string;
            user: string;
            user_id: number;
        };
        /**
         * ChannelEdit
         * @description What is not named stays. An empty ``key`` stays too; else its lines are keys. ``keys`` are all that one channel
         *         has.
         *
         *         Either ``type`` says what it is, by One API's numbers: ``base_url`` is then what precedes ``/v1``, as there. Or
         *         ``provider`` says it alone, and ``base_url`` precedes paths such as /chat/completions. ``status`` 3 stays what it
         *         is. A ``weight`` of 0 is 1.
         */
        ChannelEdit: {
            base_url?: string | null;
            concurrent_calls?: number | null;
            concurrent_calls_per_key?: number | null;
            config?: {
                [key: string]: string;
            } | string | null;
            dialects?: string[];
            group?: string[] | string | null;
            headers?: {
                [key: string]: string;
            } | null;
            id?: number;
            key?: string | null;
            keys?: string[];
            model_mapping?: {
                [key: string]: string;
            } | string | null;
            models?: string[] | string | null;
            name?: string;
            note?: string | null;
            options?: {
                [key: string]: string;
            };
            parameters?: Record<string, never> | null;
            priority?: number | null;
            provider?: string;
            proxy?: string | null;
            /** @enum {unknown} */
            status?: 1 | 2 | 3;
            system_prompt?: string | null;
            tag?: string | null;
            test_model?: string | null;
            type?: number;
            /** @enum {unknown} */
            unsupported?: "drop" | "refuse";
            weight?: number | null;
        };
        /**
         * ChannelHealthRow
         * @description ``state`` is that of the key and model that is fittest, ``worst`` that of the one that is least so; ``wait`` is
         *         the seconds until the first may be asked, ``failures`` the most that there were in a row. ``keys`` are those in use,
         *         each with the models that it was asked for by the upstream's names; ``latency`` is in seconds.
         */
        ChannelHealthRow: {
            disabled_because: string;
            enabled: boolean;
            failures: number;
            id: number;
            in_flight: number;
            keys: components["schemas"]["KeyStanding"][];
            name: string;
            /** @enum {unknown} */
            state: "cooling" | "doubtful" | "fit" | "out" | "probing" | "recovering";
            wait: number;
            /** @enum {unknown} */
            worst: "cooling" | "doubtful" | "fit" | "out" | "probing" | "recovering";
        };
        /**
         * ChannelListQuery
         * @description ``keyword`` is an id, or a part of the name, base URL or tag; ``model`` is one that it serves.
         */
        ChannelListQuery: {
            /** @default  */
            group: string;
            /** @default  */
            keyword: string;
            /** @default  */
            model: string;
            /**
             * @default
             * @enum {unknown}
             */
            order: "" | "balance" | "created_time" | "id" | "name" | "priority" | "response_time" | "status" | "test_time" | "weight";
            /** @default 0 */
            p: number;
            /** @default 10 */
            page_size: number;
            /** @default  */
            provider: string;
            /** @default null */
            status: (1 | 2 | 3) | null;
            /** @default null */
            tag: string | null;
            /** @default null */
            type: number | null;
        };
        /**
         * ChannelRow
         * @description ``key`` is always empty. ``status`` is 1 enabled, 2 disabled by hand, 3 by the gateway (``disabled_because``).
         *
         *         ``base_url`` is what precedes paths such as /chat/completions; empty for the provider's own. ``models`` and
         *         ``group`` are texts with commas, ``model_mapping`` and ``config`` are JSON text, as One API has them. ``used_quota``
         *         is in units of which 500,000 are a dollar. Times are Unix seconds, 0 for never; ``response_time`` is in
         *         milliseconds. ``balance`` is in ``balance_currency``.
         */
        ChannelRow: {
            balance: number;
            balance_currency: string;
            balance_updated_time: number;
            base_url: string;
            concurrent_calls: number | null;
            concurrent_calls_per_key: number | null;
            config: string;
            created_time: number;
            declared: boolean;
            dialects: string[];
            disabled_because: string;
            group: string;
            headers: {
                [key: string]: string;
            };
            id: number;
            /** @default  */
            key: string;
            key_count: number;
            key_states: components["schemas"]["KeyRow"][];
            model_mapping: string;
            models: string;
            name: string;
            note: string;
            options: {
                [key: string]: string;
            };
            /** @default  */
            other: string;
            parameters: Record<string, never>;
            priority: number;
            provider: string;
            proxy: string;
            response_time: number;
            status: number;
            system_prompt: string;
            tag: string;
            test_error: string;
            test_model: string;
            test_time: number;
            type: number;
            unsupported: string;
            used_quota: number;
            weight: number;
        };
        /** CodeBody */
        CodeBody: {
            code: string;
        };
        /** CodesQuery */
        CodesQuery: {
            /** @default  */
            keyword: string;
            /** @default 0 */
            p: number;
            /** @default 10 */
            page_size: number;
        };
        /**
         * ConfirmBody
         * @description One of them.
         */
        ConfirmBody: {
            /** @default  */
            code: string;
            /** @default  */
            password: string;
        };
        /**
         * Copy
         * @description Without a ``name``, it is the other's with ``-copy``.
         */
        Copy: {
            /** @default  */
            name: string;
        };
        /** DashboardRow */
        DashboardRow: {
            CompletionTokens: number;
            Day: string;
            ModelName: string;
            PromptTokens: number;
            Quota: number;
            RequestCount: number;
        };
        /**
         * Departure
         * @description Where to send the browser.
         */
        Departure: {
            url: string;
        };
        /**
         * Draft
         * @description A channel that is not there yet, as ``POST /channel`` has it.
         */
        Draft: {
            base_url?: string | null;
            config?: {
                [key: string]: string;
            } | string | null;
            key?: string | null;
            options?: {
                [key: string]: string;
            };
            provider?: string;
            type?: number;
        };
        /** EnableBody */
        EnableBody: {
            code: string;
            secret: string;
        };
        /** Factors */
        Factors: {
            enabled: boolean;
            recovery_codes_left: number;
        };
        /** FormatQuery */
        FormatQuery: {
            /**
             * @default
             * @enum {unknown}
             */
            format: "" | "csv";
        };
        /**
         * GroupEdit
         * @description What is not sent stays; a new group pays the whole price.
         */
        GroupEdit: {
            note?: string;
            /**
             * Format: decimal
             * @description A number, or a text with one, with at most nine decimals.
             */
            ratio?: string;
        };
        /** GroupQuery */
        GroupQuery: {
            /** @default  */
            group: string;
        };
        /**
         * GroupRow
         * @description ``ratio`` is decimal, exactly. What the settings declare (``declared``) holds before what is set here.
         */
        GroupRow: {
            declared: boolean;
            name: string;
            note: string;
            ratio: string;
        };
        /**
         * KeyRow
         * @description ``status`` is 1 for on, 2 for off, and ``reason`` why. ``key`` has the ends of a long one, of a short nothing.
         */
        KeyRow: {
            index: number;
            key: string;
            reason: string;
            /** @enum {unknown} */
            status: 1 | 2;
        };
        /**
         * KeysEdit
         * @description By the indexes of ``key_states``. ``count``, if it is given, is how many keys there were when these were looked
         *         at: another number means that they have changed since, and nothing is done.
         */
        KeysEdit: {
            /** @default [] */
            add: string[];
            count?: number;
            /** @default [] */
            disable: number[];
            /** @default [] */
            enable: number[];
            /** @default switched off by hand */
            reason: string;
            /** @default [] */
            remove: number[];
        };
        /**
         * KeyStanding
         * @description A key with all models, and with each that was asked for. ``key`` is its place among the channel's.
         */
        KeyStanding: {
            /** @default null */
            cause: ("auth" | "quota" | "rate" | "server" | "slow" | "transport") | null;
            /** @default 0 */
            ejections: number;
            /** @default 0 */
            failures: number;
            key: number;
            /** @default [] */
            models: components["schemas"]["ModelStanding"][];
            /**
             * @default fit
             * @enum {unknown}
             */
            state: "cooling" | "doubtful" | "fit" | "out" | "probing" | "recovering";
            /** @default 0 */
            wait: number;
        };
        /**
         * KindRow
         * @description ``type`` is One API's number, 50 for kinds that it does not know. ``base_url`` is empty where it has to be said.
         *         ``options`` are what can be set, each with a line on what it is; a line that begins with ``required:`` must be.
         */
        KindRow: {
            base_url: string;
            dialects: string[];
            key_format: string;
            name: string;
            note: string;
            options: {
                [key: string]: string;
            };
            provider: string;
            type: number;
        };
        /** LogCut */
        LogCut: {
            /** @description Unix seconds: what is older goes. */
            target_timestamp: number;
        };
        /** LogExportQuery */
        LogExportQuery: {
            /**
             * @description 0: any.
             * @default 0
             */
            channel: number;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            end_timestamp: number;
            /**
             * @default csv
             * @enum {unknown}
             */
            format: "csv" | "jsonl" | "parquet";
            /**
             * @description The id or the model of a call, or the beginning of what else was done; a single digit is a type.
             * @default
             */
            keyword: string;
            /** @default  */
            model_name: string;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            start_timestamp: number;
            /** @default  */
            token_name: string;
            /**
             * @description 0 all, 1 top-up, 2 call, 3 manage, 4 system, 5 test.
             * @default 0
             */
            type: number;
            /** @default  */
            username: string;
        };
        /** LogFilters */
        LogFilters: {
            /**
             * @description 0: any.
             * @default 0
             */
            channel: number;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            end_timestamp: number;
            /** @default  */
            model_name: string;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            start_timestamp: number;
            /** @default  */
            token_name: string;
            /**
             * @description 0 all, 1 top-up, 2 call, 3 manage, 4 system, 5 test.
             * @default 0
             */
            type: number;
            /** @default  */
            username: string;
        };
        /**
         * LoginBody
         * @description ``username`` may be an address. ``code`` of a second factor may come along.
         */
        LoginBody: {
            /** @default  */
            code: string;
            password: string;
            username: string;
        };
        /** LogPageQuery */
        LogPageQuery: {
            /**
             * @description Go on after the page that had this in `before`.
             * @default
             */
            before: string;
            /**
             * @description 0: any.
             * @default 0
             */
            channel: number;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            end_timestamp: number;
            /** @default  */
            model_name: string;
            /** @default 0 */
            p: number;
            /** @default 50 */
            page_size: number;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            start_timestamp: number;
            /** @default  */
            token_name: string;
            /**
             * @description 0 all, 1 top-up, 2 call, 3 manage, 4 system, 5 test.
             * @default 0
             */
            type: number;
            /** @default  */
            username: string;
        };
        /**
         * LogRow
         * @description One API's row. ``elapsed_time`` is in milliseconds, ``created_at`` in seconds. ``request_id`` is that of the
         *         call; ids of calls are even, and those of events odd. ``status`` and ``reason`` are how a call ended, 0 and "" for
         *         events.
         */
        LogRow: {
            /** @default 0 */
            channel: number;
            /** @default 0 */
            completion_tokens: number;
            content: string;
            created_at: number;
            /** @default 0 */
            elapsed_time: number;
            id: number;
            /** @default false */
            is_stream: boolean;
            /** @default  */
            model_name: string;
            /** @default 0 */
            prompt_tokens: number;
            /** @default 0 */
            quota: number;
            /** @default  */
            reason: string;
            /** @default  */
            request_id: string;
            /** @default 0 */
            status: number;
            /** @default false */
            system_prompt_reset: boolean;
            /** @default  */
            token_name: string;
            type: number;
            user_id: number;
            username: string;
        };
        /** LogSearch */
        LogSearch: {
            /**
             * @description Go on after the page that had this in `before`.
             * @default
             */
            before: string;
            /**
             * @description 0: any.
             * @default 0
             */
            channel: number;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            end_timestamp: number;
            /**
             * @description The id or the model of a call, or the beginning of what else was done; a single digit is a type.
             * @default
             */
            keyword: string;
            /** @default  */
            model_name: string;
            /** @default 0 */
            p: number;
            /** @default 100 */
            page_size: number;
            /**
             * @description Unix seconds; 0: any.
             * @default 0
             */
            start_timestamp: number;
            /** @default  */
            token_name: string;
            /**
             * @description 0 all, 1 top-up, 2 call, 3 manage, 4 system, 5 test.
             * @default 0
             */
            type: number;
            /** @default  */
            username: string;
        };
        /**
         * Manage
         * @description Who is named by ``username``, or by ``id``.
         */
        Manage: {
            /** @enum {unknown} */
            action: "delete" | "demote" | "disable" | "enable" | "promote";
            /** @default null */
            id: number | null;
            /** @default  */
            username: string;
        };
        /**
         * Managed
         * @description One API's numbers for role and status.
         */
        Managed: {
            role: number;
            status: number;
        };
        /** ModelRow */
        ModelRow: {
            id: string;
            /** @default model */
            object: string;
            owned_by: string;
        };
        /**
         * ModelStanding
         * @description ``wait`` is the seconds until it is asked again, ``failures`` how many there were in a row, ``latency`` the
         *         seconds to the first content; ``model`` is the upstream's name.
         */
        ModelStanding: {
            /** @default null */
            cause: ("auth" | "quota" | "rate" | "server" | "slow" | "transport") | null;
            /** @default 0 */
            ejections: number;
            /** @default 0 */
            failures: number;
            /** @default 0 */
            in_flight: number;
            /** @default null */
            latency: number | null;
            model: string;
            /** @enum {unknown} */
            state: "cooling" | "doubtful" | "fit" | "out" | "probing" | "recovering";
            /** @default 0 */
            wait: number;
        };
        /**
         * Batch
         * @description ``action`` edit writes what else is named to all of them.
         */
        "oneapi_asgi.admin.channels.Batch": {
            /** @enum {unknown} */
            action: "delete" | "disable" | "edit" | "enable";
            concurrent_calls?: number | null;
            concurrent_calls_per_key?: number | null;
            group?: string[] | string | null;
            ids: number[];
            model_mapping?: {
                [key: string]: string;
            } | string | null;
            models?: string[] | string | null;
            note?: string | null;
            parameters?: Record<string, never> | null;
            priority?: number | null;
            system_prompt?: string | null;
            tag?: string | null;
            test_model?: string | null;
            /** @enum {unknown} */
            unsupported?: "drop" | "refuse";
            weight?: number | null;
        };
        /** StatusQuery */
        "oneapi_asgi.admin.redemptions.StatusQuery": {
            /** @default  */
            status_only: string;
        };
        /** StatusQuery */
        "oneapi_asgi.admin.tokens.StatusQuery": {
            /** @default  */
            status_only: string;
        };
        /**
         * Batch
         * @description ``group`` is for the action of that name.
         */
        "oneapi_asgi.admin.users.Batch": {
            /** @enum {unknown} */
            action: "delete" | "disable" | "enable" | "group";
            /** @default default */
            group: string;
            ids: number[];
        };
        /**
         * OptionAbout
         * @description What an option may be. ``kept`` says whether it has another value than ``default``, which of a secret is all that
         *         is shown; ``requires`` has what is set before it can be true, and ``most`` the largest number.
         */
        OptionAbout: {
            concerns: string;
            default: string;
            kept: boolean;
            key: string;
            /** @enum {unknown} */
            kind: "currency" | "decimal" | "flag" | "number" | "page" | "ratios" | "secret" | "text" | "url";
            most: number | null;
            requires: string[];
        };
        /** OptionEdit */
        OptionEdit: {
            key: string;
            value: string | boolean | number;
        };
        /** OptionRow */
        OptionRow: {
            key: string;
            value: string;
        };
        /**
         * OrderDraft
         * @description ``currency`` is refused if it is not the one that is taken.
         */
        OrderDraft: {
            /**
             * Format: decimal
             * @description In the currency, with at most two decimals.
             */
            amount: string;
            currency?: string;
        };
        /**
         * OrderRow
         * @description ``amount`` is what is to be paid, and ``quota`` what comes for it; ``url`` is where, until it was paid.
         */
        OrderRow: {
            amount: string;
            created_time: number;
            currency: string;
            id: string;
            paid_time: number;
            quota: number;
            /** @enum {unknown} */
            status: "open" | "paid";
            /** @default  */
            url: string;
            user_id: number;
            username: string;
        };
        /**
         * OrdersQuery
         * @description ``user_id`` is for administrators.
         */
        OrdersQuery: {
            /** @default 0 */
            p: number;
            /** @default 10 */
            page_size: number;
            /**
             * @default
             * @enum {unknown}
             */
            status: "" | "open" | "paid";
            /**
             * @description 0: any.
             * @default 0
             */
            user_id: number;
        };
        /**
         * Owed
         * @description In place of a user, where the second factor is still to be shown.
         */
        Owed: {
            /** @default true */
            require_2fa: boolean;
        };
        /**
         * PriceBatch
         * @description By model name or glob; null removes a price. All of them, or none.
         */
        PriceBatch: {
            prices: {
                [key: string]: components["schemas"]["PriceEdit"] | null;
            };
        };
        /**
         * PriceEdit
         * @description The whole price: what is not sent is as plain input or output. Numbers, or texts with one; nine decimals.
         */
        PriceEdit: {
            /** @default null */
            audio_minute: string | null;
            /** @default null */
            cache_read: string | null;
            /** @default null */
            cache_write: string | null;
            /** @default null */
            cache_write_1h: string | null;
            /** @default null */
            input: string | null;
            /** @default null */
            input_audio: string | null;
            /** @default null */
            input_image: string | null;
            /** @default null */
            max_output: number | null;
            /** @default null */
            output: string | null;
            /** @default null */
            output_audio: string | null;
            /** @default null */
            output_image: string | null;
            /** @default null */
            per_call: string | null;
            /** @default null */
            reasoning: string | null;
            /** @default [] */
            tiers: components["schemas"]["TierEdit"][];
        };
        /**
         * PriceRow
         * @description A model's price at a ``ratio``, that of the group that was asked for, 1 for none. ``matched`` is the name or glob
         *         that it was found under. One by ``policy`` without any part is refused to whoever has a limit of money.
         */
        PriceRow: {
            /** @default null */
            audio_minute: string | null;
            /** @default null */
            cache_read: string | null;
            /** @default null */
            cache_write: string | null;
            /** @default null */
            cache_write_1h: string | null;
            /** @default null */
            input: string | null;
            /** @default null */
            input_audio: string | null;
            /** @default null */
            input_image: string | null;
            /** @default  */
            matched: string;
            /** @default null */
            max_output: number | null;
            model: string;
            /** @default null */
            output: string | null;
            /** @default null */
            output_audio: string | null;
            /** @default null */
            output_image: string | null;
            /** @default null */
            per_call: string | null;
            /** @default 1 */
            ratio: string;
            /** @default null */
            reasoning: string | null;
            /** @enum {unknown} */
            source: "catalog" | "policy" | "set" | "settings";
            /** @default [] */
            tiers: components["schemas"]["TierRow"][];
        };
        /**
         * PricesQuery
         * @description ``keyword`` is a part of names; ``own`` are those that were set or declared, or those that were not.
         */
        PricesQuery: {
            /** @default  */
            keyword: string;
            /**
             * @default
             * @enum {unknown}
             */
            own: "" | "false" | "true";
            /** @default 0 */
            p: number;
            /** @default 10 */
            page_size: number;
        };
        /** Redeem */
        Redeem: {
            key: string;
        };
        /** RedemptionDraft */
        RedemptionDraft: {
            /** @default 1 */
            count: number;
            /** @default -1 */
            expired_time: number;
            name: string;
            quota: number;
        };
        /** RedemptionEdit */
        RedemptionEdit: {
            expired_time?: number;
            id: number;
            name?: string;
            quota?: number;
            /** @enum {unknown} */
            status?: 1 | 2 | 3;
        };
        /**
         * RedemptionRow
         * @description A code with One API's names, without the code. ``status`` is 1 enabled, 2 disabled, 3 used.
         */
        RedemptionRow: {
            created_time: number;
            expired_time: number;
            id: number;
            /** @default  */
            key: string;
            name: string;
            quota: number;
            redeemed_by: string | null;
            redeemed_time: number;
            status: number;
            user_id: number;
        };
        Refusal: {
            code: string | null;
            data: null;
            message: string;
            param?: string;
            /** @constant */
            success: false;
        };
        /**
         * Refused
         * @description Which user stayed as it was, and why.
         */
        Refused: {
            code: string;
            id: number;
            message: string;
        };
        /**
         * RegisterBody
         * @description ``email`` and ``verification_code`` count where addresses are verified; an address is kept in no other case.
         */
        RegisterBody: {
            /** @default  */
            aff_code: string;
            /** @default  */
            display_name: string;
            /** @default  */
            email: string;
            password: string;
            username: string;
            /** @default  */
            verification_code: string;
        };
        /**
         * ResetBody
         * @description Without a ``password`` one is made up, and shown in the answer, once.
         */
        ResetBody: {
            email: string;
            /** @default  */
            password: string;
            token: string;
        };
        /** RoundQuery */
        RoundQuery: {
            /**
             * @default all
             * @enum {unknown}
             */
            scope: "all" | "disabled" | "enabled";
        };
        /**
         * RoundRow
         * @description Times are Unix seconds, 0 for not yet.
         */
        RoundRow: {
            /** @default 0 */
            done: number;
            /** @default 0 */
            ended_at: number;
            /** @default 0 */
            failed: number;
            /** @default false */
            running: boolean;
            /** @default 0 */
            started_at: number;
            /** @default 0 */
            total: number;
        };
        /**
         * SelfEdit
         * @description ``original_password`` comes along with a new ``password``; scripts with an access token need none.
         */
        SelfEdit: {
            display_name?: string;
            /** @default  */
            original_password: string;
            /** @default  */
            password: string;
            remind_quota?: number | null;
            username?: string;
        };
        /**
         * SessionRow
         * @description ``key`` names the session, and opens nothing. Times are Unix seconds.
         */
        SessionRow: {
            address: string;
            agent: string;
            created_time: number;
            current: boolean;
            expired_time: number;
            key: string;
        };
        /**
         * Setup
         * @description ``uri`` is what authenticator apps read as a QR code.
         */
        Setup: {
            secret: string;
            uri: string;
        };
        /** Spent */
        Spent: {
            quota: number;
        };
        /** StartQuery */
        StartQuery: {
            /**
             * @description A path of this site, where to go in the end; its root.
             * @default
             */
            next: string;
        };
        /**
         * StatisticRow
         * @description ``cost`` is in nano-dollars and ``duration`` in seconds. What it is not told apart by is empty, or 0. ``hour``
         *         is such as 2026-01-31T13, in UTC; by it alone there are ``first_contents``, the calls of which it is known when
         *         their first content came, and ``first_content``, the seconds that it took on average, null where there are none.
         */
        StatisticRow: {
            cache_read: number;
            cache_write: number;
            calls: number;
            channel: string;
            channel_id: number;
            cost: number;
            day: string;
            duration: number;
            failed: number;
            first_content: number | null;
            first_contents: number;
            hour: string;
            input: number;
            model: string;
            output: number;
            quota: number;
            reasoning: number;
            token: string;
            token_id: number;
            user: string;
            user_id: number;
        };
        /** StatisticsQuery */
        StatisticsQuery: {
            /**
             * @description Some of day, hour, model, user, token, channel, with commas; hour for up to 8 days.
             * @default day
             */
            by: string;
            /**
             * @description 0: any.
             * @default 0
             */
            channel: number;
            /**
             * @default json
             * @enum {unknown}
             */
            format: "csv" | "json";
            /** @default  */
            model_name: string;
            /**
             * @description yyyy-mm-dd, in UTC.
             * @default
             */
            since: string;
            /**
             * @description 0: any.
             * @default 0
             */
            token_id: number;
            /**
             * @description yyyy-mm-dd, in UTC.
             * @default
             */
            until: string;
            /** @default  */
            username: string;
        };
        /**
         * Status
         * @description One API's object. What is not offered here is empty, or false. ``payment_currency`` is what orders are paid in,
         *         and ``payment_price`` what a dollar costs in it.
         */
        Status: {
            chat_link: string;
            display_in_currency: boolean;
            email_verification: boolean;
            footer_html: string;
            github_client_id: string;
            github_oauth: boolean;
            /** @default  */
            lark_client_id: string;
            logo: string;
            oidc: boolean;
            /** @default  */
            oidc_authorization_endpoint: string;
            oidc_client_id: string;
            /** @default  */
            oidc_token_endpoint: string;
            /** @default  */
            oidc_userinfo_endpoint: string;
            oidc_well_known: string;
            password_login: boolean;
            password_register: boolean;
            payment_currency: string;
            payment_maximum: number;
            payment_minimum: number;
            payment_price: string;
            /** @default 500000 */
            quota_per_unit: number;
            register_enabled: boolean;
            server_address: string;
            start_time: number;
            system_name: string;
            top_up_link: string;
            turnstile_check: boolean;
            turnstile_site_key: string;
            version: string;
            /** @default false */
            wechat_login: boolean;
            /** @default  */
            wechat_qrcode: string;
        };
        /**
         * TagEdit
         * @description To all channels of a tag; ``new_tag`` is another one for them, the empty one none.
         */
        TagEdit: {
            concurrent_calls?: number | null;
            concurrent_calls_per_key?: number | null;
            group?: string[] | string | null;
            model_mapping?: {
                [key: string]: string;
            } | string | null;
            models?: string[] | string | null;
            /** @default null */
            new_tag: string | null;
            note?: string | null;
            parameters?: Record<string, never> | null;
            priority?: number | null;
            system_prompt?: string | null;
            tag: string;
            test_model?: string | null;
            /** @enum {unknown} */
            unsupported?: "drop" | "refuse";
            weight?: number | null;
        };
        /** TagName */
        TagName: {
            tag: string;
        };
        /** TagRow */
        TagRow: {
            channels: number;
            enabled: number;
            tag: string;
        };
        /**
         * Taken
         * @description Whether this report is the one that was credited, and so for the first time.
         */
        Taken: {
            credited: boolean;
            order_id: string;
            quota: number;
        };
        /**
         * Tested
         * @description What became of a test: ``sent``, ``failed`` (the log says why), or ``off`` where nobody has set it up.
         */
        Tested: {
            email: string;
            webhook: string;
        };
        /**
         * TestQuery
         * @description Without a ``model`` its test model is asked for, else the first that it names. ``key`` is the index of a key; the
         *         first that is on, if it is not given.
         */
        TestQuery: {
            /** @default null */
            key: number | null;
            /** @default  */
            model: string;
            /** @default false */
            stream: boolean;
        };
        /**
         * TestRow
         * @description ``error`` is a code: ``http_401``, ``timeout``, …; empty if the channel has served. ``told`` says how it went,
         *         ``answer`` what the model said.
         */
        TestRow: {
            answer: string;
            error: string;
            milliseconds: number;
            model: string;
            served: boolean;
            told: string;
        };
        /** TierEdit */
        TierEdit: {
            above: number;
            /** @default null */
            audio_minute: string | null;
            /** @default null */
            cache_read: string | null;
            /** @default null */
            cache_write: string | null;
            /** @default null */
            cache_write_1h: string | null;
            /** @default null */
            input: string | null;
            /** @default null */
            input_audio: string | null;
            /** @default null */
            input_image: string | null;
            /** @default null */
            output: string | null;
            /** @default null */
            output_audio: string | null;
            /** @default null */
            output_image: string | null;
            /** @default null */
            per_call: string | null;
            /** @default null */
            reasoning: string | null;
        };
        /**
         * TierRow
         * @description In place of the whole price for calls with more than ``above`` input tokens.
         */
        TierRow: {
            above: number;
            /** @default null */
            audio_minute: string | null;
            /** @default null */
            cache_read: string | null;
            /** @default null */
            cache_write: string | null;
            /** @default null */
            cache_write_1h: string | null;
            /** @default null */
            input: string | null;
            /** @default null */
            input_audio: string | null;
            /** @default null */
            input_image: string | null;
            /** @default null */
            output: string | null;
            /** @default null */
            output_audio: string | null;
            /** @default null */
            output_image: string | null;
            /** @default null */
            per_call: string | null;
            /** @default null */
            reasoning: string | null;
        };
        /**
         * TokenEdit
         * @description ``expired_time`` is in Unix seconds, -1 for never; ``models`` and ``subnet`` are lists, or texts with commas.
         */
        TokenEdit: {
            expired_time?: number;
            group?: string | null;
            id?: number;
            models?: string[] | string | null;
            name?: string;
            remain_quota?: number;
            requests_per_minute?: number | null;
            status?: number;
            subnet?: string[] | string | null;
            unlimited_quota?: boolean;
        };
        /** TokenListQuery */
        TokenListQuery: {
            /** @default  */
            keyword: string;
            /**
             * @default
             * @enum {unknown}
             */
            order: "" | "created_time" | "name" | "remain_quota" | "used_quota";
            /** @default 0 */
            p: number;
            /** @default 10 */
            page_size: number;
        };
        /**
         * TokenRow
         * @description A token with One API's names. ``key`` is whole where it was just made, and its beginning everywhere else.
         */
        TokenRow: {
            accessed_time: number;
            created_time: number;
            expired_time: number;
            group: string | null;
            id: number;
            key: string;
            models: string;
            name: string;
            remain_quota: number;
            requests_per_minute: number | null;
            status: number;
            subnet: string;
            unlimited_quota: boolean;
            used_quota: number;
            user_id: number;
            username: string;
        };
        /** TopUp */
        TopUp: {
            quota: number;
            /** @default  */
            remark: string;
            user_id: number;
        };
        /** TurnstileQuery */
        TurnstileQuery: {
            /** @default  */
            turnstile: string;
        };
        /**
         * Usage
         * @description Counts of one call. ``input`` includes the cached, audio and image parts, ``output`` the reasoning, audio and
         *         image parts, as OpenAI counts. ``estimated`` says that the upstream never told.
         */
        Usage: {
            /** @default 0 */
            audio_seconds: number;
            /** @default 0 */
            cache_read: number;
            /** @default 0 */
            cache_write: number;
            /** @default 0 */
            cache_write_1h: number;
            /** @default 1 */
            calls: number;
            /** @default false */
            estimated: boolean;
            /** @default 0 */
            input: number;
            /** @default 0 */
            input_audio: number;
            /** @default 0 */
            input_image: number;
            /** @default 0 */
            output: number;
            /** @default 0 */
            output_audio: number;
            /** @default 0 */
            output_image: number;
            /** @default 0 */
            reasoning: number;
        };
        /**
         * UserDraft
         * @description Without a ``password`` the user signs in elsewhere, or not at all. Without a ``quota``: what new users get.
         */
        UserDraft: {
            /** @default  */
            display_name: string;
            /** @default  */
            email: string;
            /** @default default */
            group: string;
            /** @default  */
            password: string;
            quota?: number;
            /**
             * @default 1
             * @enum {unknown}
             */
            role: 1 | 10 | 100;
            /** @default false */
            unlimited_quota: boolean;
            username: string;
        };
        /**
         * UserEdit
         * @description What is not named stays; an empty ``password`` stays as well. ``quota`` is what is to be left: the difference to
         *         what is there is credited, or taken away.
         */
        UserEdit: {
            display_name?: string;
            email?: string;
            group?: string;
            id: number;
            /** @default  */
            password: string;
            quota?: number;
            remind_quota?: number | null;
            /** @enum {unknown} */
            role?: 1 | 10 | 100;
            /** @enum {unknown} */
            status?: 1 | 2;
            unlimited_quota?: boolean;
            username?: string;
        };
        /**
         * UserQuery
         * @description ``keyword`` is an id, or a part of a name, display name or address. ``status`` 3 has those that were deleted.
         */
        UserQuery: {
            /** @default  */
            group: string;
            /** @default  */
            keyword: string;
            /**
             * @default id
             * @enum {unknown}
             */
            order: "id" | "quota" | "request_count" | "used_quota";
            /** @default 0 */
            p: number;
            /** @default 10 */
            page_size: number;
            /** @default null */
            role: (1 | 10 | 100) | null;
            /** @default null */
            status: (1 | 2 | 3) | null;
        };
        /**
         * UserRow
         * @description A user. ``quota`` and ``used_quota`` are in units of which 500,000 are a dollar; of an unlimited wallet the first
         *         says nothing. ``remind_quota`` is below which quota a mail is sent, null for what holds for all. Times are Unix
         *         seconds, 0 for never. ``password`` is always empty.
         */
        UserRow: {
            aff_code: string;
            created_time: number;
            display_name: string;
            email: string;
            github_id: string;
            group: string;
            has_password: boolean;
            has_totp: boolean;
            id: number;
            inviter_id: number;
            lark_id: string;
            last_login_time: number;
            must_change_password: boolean;
            oidc_id: string;
            /** @default  */
            password: string;
            quota: number;
            remind_quota: number | null;
            request_count: number;
            role: number;
            status: number;
            unlimited_quota: boolean;
            used_quota: number;
            username: string;
            wechat_id: string;
        };
    };
    responses: {
        /** @description Refused. */
        Refused: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Refusal"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    get_about: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_alert_test: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Tested"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_audit: {
        parameters: {
            query?: {
                action?: string;
                actor?: string;
                before?: string;
                end_timestamp?: number;
                kind?: ("manage" | "system" | "test" | "topup") | null;
                p?: number;
                page_size?: number;
                start_timestamp?: number;
                target?: string;
                user_id?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["AuditRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_call: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["CallRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel: {
        parameters: {
            query?: {
                group?: string;
                keyword?: string;
                model?: string;
                order?: "" | "balance" | "created_time" | "id" | "name" | "priority" | "response_time" | "status" | "test_time" | "weight";
                p?: number;
                page_size?: number;
                provider?: string;
                status?: (1 | 2 | 3) | null;
                tag?: string | null;
                type?: number | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ChannelRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_channel: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    balance?: unknown;
                    balance_currency?: unknown;
                    balance_updated_time?: unknown;
                    base_url?: unknown;
                    concurrent_calls?: unknown;
                    concurrent_calls_per_key?: unknown;
                    config?: unknown;
                    created_time?: unknown;
                    declared?: unknown;
                    dialects?: unknown;
                    disabled_because?: unknown;
                    group?: unknown;
                    headers?: unknown;
                    id?: unknown;
                    key?: unknown;
                    key_count?: unknown;
                    key_states?: unknown;
                    keys?: string[];
                    model_mapping?: unknown;
                    models?: unknown;
                    name?: unknown;
                    note?: unknown;
                    options?: unknown;
                    other?: unknown;
                    parameters?: unknown;
                    priority?: unknown;
                    provider?: unknown;
                    proxy?: unknown;
                    response_time?: unknown;
                    status?: unknown;
                    system_prompt?: unknown;
                    tag?: unknown;
                    test_error?: unknown;
                    test_model?: unknown;
                    test_time?: unknown;
                    type?: unknown;
                    unsupported?: unknown;
                    used_quota?: unknown;
                    weight?: unknown;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ChannelRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    balance?: unknown;
                    balance_currency?: unknown;
                    balance_updated_time?: unknown;
                    base_url?: unknown;
                    concurrent_calls?: unknown;
                    concurrent_calls_per_key?: unknown;
                    config?: unknown;
                    created_time?: unknown;
                    declared?: unknown;
                    dialects?: unknown;
                    disabled_because?: unknown;
                    group?: unknown;
                    headers?: unknown;
                    id?: unknown;
                    key?: unknown;
                    key_count?: unknown;
                    key_states?: unknown;
                    keys?: string[];
                    model_mapping?: unknown;
                    models?: unknown;
                    name?: unknown;
                    note?: unknown;
                    options?: unknown;
                    other?: unknown;
                    parameters?: unknown;
                    priority?: unknown;
                    provider?: unknown;
                    proxy?: unknown;
                    response_time?: unknown;
                    status?: unknown;
                    system_prompt?: unknown;
                    tag?: unknown;
                    test_error?: unknown;
                    test_model?: unknown;
                    test_time?: unknown;
                    type?: unknown;
                    unsupported?: unknown;
                    used_quota?: unknown;
                    weight?: unknown;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ChannelRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ChannelRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_channel_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_id_copy: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @default  */
                    name?: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ChannelRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_channel_id_keys: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @default [] */
                    add?: string[];
                    count?: number;
                    /** @default [] */
                    disable?: number[];
                    /** @default [] */
                    enable?: number[];
                    /** @default switched off by hand */
                    reason?: string;
                    /** @default [] */
                    remove?: number[];
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["KeyRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_id_keys: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["KeyRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_batch: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @enum {unknown} */
                    action: "delete" | "disable" | "edit" | "enable";
                    concurrent_calls?: number | null;
                    concurrent_calls_per_key?: number | null;
                    group?: string[] | string | null;
                    ids: number[];
                    model_mapping?: {
                        [key: string]: string;
                    } | string | null;
                    models?: string[] | string | null;
                    note?: string | null;
                    parameters?: Record<string, never> | null;
                    priority?: number | null;
                    system_prompt?: string | null;
                    tag?: string | null;
                    test_model?: string | null;
                    /** @enum {unknown} */
                    unsupported?: "drop" | "refuse";
                    weight?: number | null;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_channel_disabled: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_fetch_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    base_url?: string | null;
                    config?: {
                        [key: string]: string;
                    } | string | null;
                    key?: string | null;
                    options?: {
                        [key: string]: string;
                    };
                    provider?: string;
                    type?: number;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string[];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_fetch_models_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string[];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ChannelHealthRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ModelRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_search: {
        parameters: {
            query?: {
                group?: string;
                keyword?: string;
                model?: string;
                order?: "" | "balance" | "created_time" | "id" | "name" | "priority" | "response_time" | "status" | "test_time" | "weight";
                p?: number;
                page_size?: number;
                provider?: string;
                status?: (1 | 2 | 3) | null;
                tag?: string | null;
                type?: number | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ChannelRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_channel_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    concurrent_calls?: number | null;
                    concurrent_calls_per_key?: number | null;
                    group?: string[] | string | null;
                    model_mapping?: {
                        [key: string]: string;
                    } | string | null;
                    models?: string[] | string | null;
                    /** @default null */
                    new_tag?: string | null;
                    note?: string | null;
                    parameters?: Record<string, never> | null;
                    priority?: number | null;
                    system_prompt?: string | null;
                    tag: string;
                    test_model?: string | null;
                    /** @enum {unknown} */
                    unsupported?: "drop" | "refuse";
                    weight?: number | null;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_tag_disabled: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    tag: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_tag_enabled: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    tag: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_tags: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TagRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_test: {
        parameters: {
            query?: {
                scope?: "all" | "disabled" | "enabled";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["RoundRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_test_id: {
        parameters: {
            query?: {
                key?: number | null;
                model?: string;
                stream?: boolean;
            };
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TestRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_test_state: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["RoundRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_types: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["KindRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_update_balance: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["RoundRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_channel_update_balance_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["BalanceRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_channel_update_balance_state: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["RoundRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_docs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As it is, without an envelope. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": unknown;
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_group: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string[];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_group_name_path: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["GroupRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_group_name_path: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    declared?: unknown;
                    name?: unknown;
                    note?: string;
                    /**
                     * Format: decimal
                     * @description A number, or a text with one, with at most nine decimals.
                     */
                    ratio?: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["GroupRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_group_name_path: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_groups: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["GroupRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_home_page_content: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log: {
        parameters: {
            query?: {
                before?: string;
                channel?: number;
                end_timestamp?: number;
                model_name?: string;
                p?: number;
                page_size?: number;
                start_timestamp?: number;
                token_name?: string;
                type?: number;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["LogRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_log: {
        parameters: {
            query: {
                target_timestamp: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log_call_request: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                request: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["CallDetail"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log_export: {
        parameters: {
            query?: {
                channel?: number;
                end_timestamp?: number;
                format?: "csv" | "jsonl" | "parquet";
                keyword?: string;
                model_name?: string;
                start_timestamp?: number;
                token_name?: string;
                type?: number;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As it is, without an envelope. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": unknown;
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log_search: {
        parameters: {
            query?: {
                before?: string;
                channel?: number;
                end_timestamp?: number;
                keyword?: string;
                model_name?: string;
                p?: number;
                page_size?: number;
                start_timestamp?: number;
                token_name?: string;
                type?: number;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["LogRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log_self: {
        parameters: {
            query?: {
                before?: string;
                channel?: number;
                end_timestamp?: number;
                model_name?: string;
                p?: number;
                page_size?: number;
                start_timestamp?: number;
                token_name?: string;
                type?: number;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["LogRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log_self_export: {
        parameters: {
            query?: {
                channel?: number;
                end_timestamp?: number;
                format?: "csv" | "jsonl" | "parquet";
                keyword?: string;
                model_name?: string;
                start_timestamp?: number;
                token_name?: string;
                type?: number;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As it is, without an envelope. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": unknown;
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log_self_search: {
        parameters: {
            query?: {
                before?: string;
                channel?: number;
                end_timestamp?: number;
                keyword?: string;
                model_name?: string;
                p?: number;
                page_size?: number;
                start_timestamp?: number;
                token_name?: string;
                type?: number;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["LogRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log_self_stat: {
        parameters: {
            query?: {
                channel?: number;
                end_timestamp?: number;
                model_name?: string;
                start_timestamp?: number;
                token_name?: string;
                type?: number;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Spent"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_log_stat: {
        parameters: {
            query?: {
                channel?: number;
                end_timestamp?: number;
                model_name?: string;
                start_timestamp?: number;
                token_name?: string;
                type?: number;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Spent"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: {
                            [key: string]: string[];
                        };
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_notice: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_oauth_provider: {
        parameters: {
            query?: {
                code?: string;
                error?: string;
                state?: string;
            };
            header?: never;
            path: {
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_oauth_provider_bind: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_oauth_provider_start: {
        parameters: {
            query?: {
                next?: string;
            };
            header?: never;
            path: {
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As it is, without an envelope. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": unknown;
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_oauth_provider_start: {
        parameters: {
            query?: {
                next?: string;
            };
            header?: never;
            path: {
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Departure"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_oauth_email_bind: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    code: string;
                    email: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_oauth_state: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_openapi_json: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As it is, without an envelope. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": unknown;
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_option: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["OptionRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_option: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    key: string;
                    value: string | boolean | number;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_option_about: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["OptionAbout"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_price: {
        parameters: {
            query?: {
                keyword?: string;
                own?: "" | "false" | "true";
                p?: number;
                page_size?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["PriceRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_price_model_path: {
        parameters: {
            query?: {
                group?: string;
            };
            header?: never;
            path: {
                model: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["PriceRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_price_model_path: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                model: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @default null */
                    audio_minute?: string | null;
                    /** @default null */
                    cache_read?: string | null;
                    /** @default null */
                    cache_write?: string | null;
                    /** @default null */
                    cache_write_1h?: string | null;
                    /** @default null */
                    input?: string | null;
                    /** @default null */
                    input_audio?: string | null;
                    /** @default null */
                    input_image?: string | null;
                    matched?: unknown;
                    /** @default null */
                    max_output?: number | null;
                    model?: unknown;
                    /** @default null */
                    output?: string | null;
                    /** @default null */
                    output_audio?: string | null;
                    /** @default null */
                    output_image?: string | null;
                    /** @default null */
                    per_call?: string | null;
                    ratio?: unknown;
                    /** @default null */
                    reasoning?: string | null;
                    source?: unknown;
                    /** @default [] */
                    tiers?: components["schemas"]["TierEdit"][];
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["PriceRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_price_model_path: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                model: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_price_batch: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    prices: {
                        [key: string]: components["schemas"]["PriceEdit"] | null;
                    };
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_pricing: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["PriceRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_redemption: {
        parameters: {
            query?: {
                keyword?: string;
                p?: number;
                page_size?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["RedemptionRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_redemption: {
        parameters: {
            query?: {
                status_only?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    count?: unknown;
                    created_time?: unknown;
                    expired_time?: number;
                    id: number;
                    key?: unknown;
                    name?: string;
                    quota?: number;
                    redeemed_by?: unknown;
                    redeemed_time?: unknown;
                    /** @enum {unknown} */
                    status?: 1 | 2 | 3;
                    user_id?: unknown;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["RedemptionRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_redemption: {
        parameters: {
            query?: {
                format?: "" | "csv";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @default 1 */
                    count?: number;
                    /** @default -1 */
                    expired_time?: number;
                    name: string;
                    quota: number;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string[];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                    "text/csv": string;
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_redemption_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["RedemptionRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_redemption_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_redemption_search: {
        parameters: {
            query?: {
                keyword?: string;
                p?: number;
                page_size?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["RedemptionRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_reset_password: {
        parameters: {
            query?: {
                turnstile?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    email: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_statistics: {
        parameters: {
            query?: {
                by?: string;
                channel?: number;
                format?: "csv" | "json";
                model_name?: string;
                since?: string;
                token_id?: number;
                until?: string;
                username?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["StatisticRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                    "text/csv": string;
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_status: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Status"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_token: {
        parameters: {
            query?: {
                keyword?: string;
                order?: "" | "created_time" | "name" | "remain_quota" | "used_quota";
                p?: number;
                page_size?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TokenRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_token: {
        parameters: {
            query?: {
                status_only?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    accessed_time?: unknown;
                    created_time?: unknown;
                    expired_time?: number;
                    group?: string | null;
                    id?: number;
                    key?: unknown;
                    models?: string[] | string | null;
                    name?: string;
                    remain_quota?: number;
                    requests_per_minute?: number | null;
                    status?: number;
                    subnet?: string[] | string | null;
                    unlimited_quota?: boolean;
                    used_quota?: unknown;
                    user_id?: unknown;
                    username?: unknown;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TokenRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    accessed_time?: unknown;
                    created_time?: unknown;
                    expired_time?: number;
                    group?: string | null;
                    id?: number;
                    key?: unknown;
                    models?: string[] | string | null;
                    name?: string;
                    remain_quota?: number;
                    requests_per_minute?: number | null;
                    status?: number;
                    subnet?: string[] | string | null;
                    unlimited_quota?: boolean;
                    used_quota?: unknown;
                    user_id?: unknown;
                    username?: unknown;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TokenRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_token_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TokenRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_token_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_token_id_rotate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TokenRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_token_all: {
        parameters: {
            query?: {
                keyword?: string;
                order?: "" | "created_time" | "name" | "remain_quota" | "used_quota";
                p?: number;
                page_size?: number;
                user_id?: number | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TokenRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_token_search: {
        parameters: {
            query?: {
                keyword?: string;
                order?: "" | "created_time" | "name" | "remain_quota" | "used_quota";
                p?: number;
                page_size?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["TokenRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_topup: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    quota: number;
                    /** @default  */
                    remark?: string;
                    user_id: number;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_topup_order: {
        parameters: {
            query?: {
                p?: number;
                page_size?: number;
                status?: "" | "open" | "paid";
                user_id?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["OrderRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_topup_order: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * Format: decimal
                     * @description In the currency, with at most two decimals.
                     */
                    amount: string;
                    currency?: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["OrderRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_topup_order_order: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                order: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["OrderRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_topup_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "*/*": unknown;
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Taken"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user: {
        parameters: {
            query?: {
                group?: string;
                keyword?: string;
                order?: "id" | "quota" | "request_count" | "used_quota";
                p?: number;
                page_size?: number;
                role?: (1 | 10 | 100) | null;
                status?: (1 | 2 | 3) | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_user: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    access_token?: unknown;
                    aff_code?: unknown;
                    created_time?: unknown;
                    display_name?: unknown;
                    email?: unknown;
                    github_id?: unknown;
                    group?: unknown;
                    has_password?: unknown;
                    has_totp?: unknown;
                    id: unknown;
                    inviter_id?: unknown;
                    lark_id?: unknown;
                    last_login_time?: unknown;
                    must_change_password?: unknown;
                    oidc_id?: unknown;
                    password?: unknown;
                    quota?: unknown;
                    remind_quota?: unknown;
                    request_count?: unknown;
                    role?: unknown;
                    status?: unknown;
                    unlimited_quota?: unknown;
                    used_quota?: unknown;
                    username?: unknown;
                    verification_code?: unknown;
                    wechat_id?: unknown;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    access_token?: unknown;
                    aff_code?: unknown;
                    created_time?: unknown;
                    display_name?: unknown;
                    email?: unknown;
                    github_id?: unknown;
                    group?: unknown;
                    has_password?: unknown;
                    has_totp?: unknown;
                    id?: unknown;
                    inviter_id?: unknown;
                    lark_id?: unknown;
                    last_login_time?: unknown;
                    must_change_password?: unknown;
                    oidc_id?: unknown;
                    password?: unknown;
                    quota?: unknown;
                    remind_quota?: unknown;
                    request_count?: unknown;
                    role?: unknown;
                    status?: unknown;
                    unlimited_quota?: unknown;
                    used_quota?: unknown;
                    username: unknown;
                    verification_code?: unknown;
                    wechat_id?: unknown;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_user_id: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_user_id_2fa: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_user_id_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_2fa_backup_codes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string[];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_2fa_disable: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_2fa_enable: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    code: string;
                    secret: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string[];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_2fa_setup: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Setup"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_2fa_status: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Factors"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_aff: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_aff: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_available_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string[];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_batch: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @enum {unknown} */
                    action: "delete" | "disable" | "enable" | "group";
                    /** @default default */
                    group?: string;
                    ids: number[];
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["BatchDone"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_confirm: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @default  */
                    code?: string;
                    /** @default  */
                    password?: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_dashboard: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["DashboardRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @default  */
                    code?: string;
                    password: string;
                    username: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"] | components["schemas"]["Owed"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_login_2fa: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    code: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_manage: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @enum {unknown} */
                    action: "delete" | "demote" | "disable" | "enable" | "promote";
                    /** @default null */
                    id?: number | null;
                    /** @default  */
                    username?: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Managed"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_register: {
        parameters: {
            query?: {
                turnstile?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @default  */
                    aff_code?: string;
                    /** @default  */
                    display_name?: string;
                    /** @default  */
                    email?: string;
                    password: string;
                    password2?: unknown;
                    username: string;
                    /** @default  */
                    verification_code?: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_reset: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    email: string;
                    /** @default  */
                    password?: string;
                    token: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_search: {
        parameters: {
            query?: {
                group?: string;
                keyword?: string;
                order?: "id" | "quota" | "request_count" | "used_quota";
                p?: number;
                page_size?: number;
                role?: (1 | 10 | 100) | null;
                status?: (1 | 2 | 3) | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_self: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    put_user_self: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    access_token?: unknown;
                    aff_code?: unknown;
                    created_time?: unknown;
                    display_name?: unknown;
                    email?: unknown;
                    github_id?: unknown;
                    group?: unknown;
                    has_password?: unknown;
                    has_totp?: unknown;
                    id?: unknown;
                    inviter_id?: unknown;
                    lark_id?: unknown;
                    last_login_time?: unknown;
                    must_change_password?: unknown;
                    oidc_id?: unknown;
                    /** @default  */
                    original_password?: string;
                    password?: unknown;
                    quota?: unknown;
                    remind_quota?: unknown;
                    request_count?: unknown;
                    role?: unknown;
                    status?: unknown;
                    unlimited_quota?: unknown;
                    used_quota?: unknown;
                    username?: unknown;
                    verification_code?: unknown;
                    wechat_id?: unknown;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_user_self: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["SessionRow"][];
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_user_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_user_session_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: string;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    delete_user_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_user_topup: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    key: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: number;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    get_user_whoami: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UserRow"] | null;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
    post_verification: {
        parameters: {
            query?: {
                turnstile?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    email: string;
                };
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: unknown;
                        message: string;
                        /** @constant */
                        success: true;
                        total?: number;
                    };
                };
            };
            default: components["responses"]["Refused"];
        };
    };
}
