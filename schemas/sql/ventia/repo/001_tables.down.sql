DROP TABLE orders;
DROP TABLE users;
DROP TYPE userrole;
DROP TABLE tenants;
