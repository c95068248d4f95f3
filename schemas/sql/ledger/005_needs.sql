-- From here on each migration says which one a program must know at least to work on what it leaves (null: itself). A release
-- sets it to the last migration of the release before: that one's sinks go on while set-up migrates, and after a return to it.
ALTER TABLE cdc.migration ADD COLUMN needs integer;

INSERT INTO cdc.migration (number, needs) VALUES (5, 5);
