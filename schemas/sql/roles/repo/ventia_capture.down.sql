-- In each database first these two lines: what the role made stays, with the role that runs this; what it was granted goes.
REASSIGN OWNED BY ventia_capture TO CURRENT_USER;
DROP OWNED BY ventia_capture;
DROP ROLE ventia_capture;
