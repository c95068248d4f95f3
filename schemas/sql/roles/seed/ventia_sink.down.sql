-- In each database first these two lines: what the role made stays, with the role that runs this; what it was granted goes.
REASSIGN OWNED BY ventia_sink TO CURRENT_USER;
DROP OWNED BY ventia_sink;
DROP ROLE ventia_sink;
