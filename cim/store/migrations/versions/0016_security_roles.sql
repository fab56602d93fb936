-- Who a person or a machine may be, as the program comes; a city adds roles of its own.
INSERT INTO security.role (code, name_zh, name_en, administers) VALUES
    ('system_admin', '系统管理员', 'system administrator: accounts', 'system'),
    ('security_admin', '安全管理员', 'security administrator: roles, keys, rules', 'security'),
    ('audit_admin', '审计管理员', 'audit administrator: the audit log', 'audit'),
    ('statistics', '统计', 'statistics: what is not public and not personal', ''),
    ('residents', '居民信息（脱敏）', 'residents, masked', ''),
    ('residents_plain', '居民信息（明文）', 'residents, unmasked where the purpose needs it', ''),
    ('intake', '数据载入', 'bringing files in', ''),
    ('editor', '数据编辑', 'editing single objects', '');

INSERT INTO security.role_right (role, administers, scope) VALUES
    ('system_admin', 'system', 'admin.system'),
    ('security_admin', 'security', 'admin.security'),
    ('audit_admin', 'audit', 'admin.audit'),
    ('statistics', '', 'city.read'), ('statistics', '', 'living.read'),
    ('residents', '', 'city.read'), ('residents', '', 'living.read'),
    ('residents', '', 'residents.read'),
    ('residents_plain', '', 'city.read'), ('residents_plain', '', 'living.read'),
    ('residents_plain', '', 'residents.read'), ('residents_plain', '', 'residents.plain'),
    ('intake', '', 'city.read'), ('intake', '', 'living.read'), ('intake', '', 'intake'),
    ('editor', '', 'city.read'), ('editor', '', 'living.read'), ('editor', '', 'features.write');

INSERT INTO security.rule (name, value, least, most, name_zh, name_en) VALUES
    ('password_length', 12, 8, 64, '密码最少字符数', 'least characters of a password'),
    ('password_kinds', 3, 1, 4, '密码至少包含的字符种类（小写、大写、数字、其他）',
     'kinds of characters in it: lower case, upper case, digits, others'),
    ('password_days', 90, 0, 3650, '密码有效天数，0 为不限', 'days a password lasts; 0 for ever'),
    ('failed_tries', 5, 3, 100, '连续失败多少次后锁定', 'failed tries that lock an account'),
    ('locked_minutes', 15, 1, 1440, '锁定分钟数', 'minutes it is locked'),
    ('account_burst', 10, 3, 1000, '每账户可连续尝试次数', 'tries in a row for one account'),
    ('account_seconds', 30, 1, 3600, '每账户恢复一次尝试的秒数', 'seconds for one more try'),
    ('address_burst', 30, 3, 10000, '每地址可连续尝试次数', 'tries in a row from one address'),
    ('address_seconds', 2, 1, 3600, '每地址恢复一次尝试的秒数', 'seconds for one more try from it'),
    ('session_idle_minutes', 30, 1, 1440, '会话闲置多少分钟后失效',
     'minutes without use that end a session'),
    ('session_hours', 12, 1, 168, '会话最长小时数', 'hours that end it in any case'),
    ('link_hours', 24, 1, 168, '一次性链接有效小时数', 'hours a link is good for');

INSERT INTO security.audit_lane (lane, first, before, last, digest)
    SELECT n, 1, '\x', 0, '\x' FROM generate_series(0, 7) AS n;
