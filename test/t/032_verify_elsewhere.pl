# annex_verify during recovery, beside writers, and where it cannot look.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IvfFile;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nmax_parallel_maintenance_workers = 0\nmax_prepared_transactions = 2");
# PostgreSQL's own checksums would find damage first; from 18 on they are the default.
system_log('pg_checksums', '--disable', '--pgdata', $primary->data_dir);
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION annex;
	CREATE TABLE t (id serial PRIMARY KEY, v vector(9));
	INSERT INTO t (v) SELECT (SELECT array_agg(random() + 0 * (i + g)) FROM generate_series(1, 9) g)::vector
		FROM generate_series(1, 2000) i;
	INSERT INTO t (v) SELECT NULL FROM generate_series(1, 10);
	CREATE INDEX t_v ON t USING ivf (v vector_l2_ops) WITH (lists = 5, spill = on);
	CREATE UNLOGGED TABLE u (v vector(9));
	CREATE INDEX u_v ON u USING ivf (v vector_l2_ops);
});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# A standby replays inserts and a vacuum.
$primary->safe_psql('postgres', q{
	INSERT INTO t (v) SELECT (SELECT array_agg(random() + 0 * (i + g)) FROM generate_series(1, 9) g)::vector
		FROM generate_series(1, 500) i;
	DELETE FROM t WHERE id % 3 = 0;
	VACUUM (INDEX_CLEANUP on) t;
	INSERT INTO t (v) SELECT (SELECT array_agg(random() + 0 * (i + g)) FROM generate_series(1, 9) g)::vector
		FROM generate_series(1, 500) i;
});
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT annex_verify('t_v', true)}), '', 'a standby is verified with its table');
is($standby->safe_psql('postgres', q{SELECT rows, entries FROM annex_index_info('t_v')}),
	$primary->safe_psql('postgres', q{SELECT rows, entries FROM annex_index_info('t_v')}), 'and has the same rows');
my (undef, undef, $error) = $standby->psql('postgres', q{SELECT annex_verify('u_v')});
like($error, qr/cannot verify index "u_v" during recovery\nDETAIL:  The index is unlogged/, 'unlogged indexes are not there');

# Damage on the standby alone: to a page, and a row that is missing. Its recovery starts after all changes.
$primary->safe_psql('postgres', 'CHECKPOINT');
$primary->wait_for_catchup($standby);
$standby->safe_psql('postgres', 'CHECKPOINT');
my $path = $standby->data_dir . '/' . $primary->safe_psql('postgres', q{SELECT pg_relation_filepath('t_v')});
$standby->stop;
my $sound = slurp_file($path);
my $file = IvfFile->new($path);
my ($block) = $file->row_pages(1);
$file->put_u8($block, IvfFile::ROWS_AREA + IvfFile::ROW_CODES, 0x80);
$file->save;
$standby->start;
(undef, undef, $error) = $standby->psql('postgres', q{SELECT annex_verify('t_v')});
like($error, qr/Block $block: a code of a row is out of range/, 'damage is found on a standby');
$standby->stop;
$file->{bytes} = $sound;
($block) = grep { $file->u16($_, IvfFile::ROWS_AREA + IvfFile::ROW_TID_OFFSET) != 0 } $file->row_pages(1);
$file->put_u16($block, IvfFile::ROWS_AREA + IvfFile::ROW_TID_OFFSET, 0);
$file->put_u16($block, IvfFile::ROWS_LIVE, $file->u16($block, IvfFile::ROWS_LIVE) - 1);
$file->save;
$standby->start;
is($standby->psql('postgres', q{SELECT annex_verify('t_v')}), 0, 'a missing row is no damage to the pages');
(undef, undef, $error) = $standby->psql('postgres', q{SELECT annex_verify('t_v', true)});
like($error, qr/Tuple \(\d+,\d+\) of table "t" is not in the index/, 'heapallindexed finds it on a standby');
$standby->stop;

# On the primary it waits for those who write, and gives its locks back.
$primary->safe_psql('postgres', q{BEGIN; INSERT INTO t (v) VALUES (NULL); PREPARE TRANSACTION 'writer'});
(undef, undef, $error) = $primary->psql('postgres', q{SET lock_timeout = 200; SELECT annex_verify('t_v')});
like($error, qr/lock timeout/, 'verification waits for writers');
$primary->safe_psql('postgres', q{COMMIT PREPARED 'writer'});
is( $primary->safe_psql('postgres', q{
		BEGIN;
		SELECT annex_verify('t_v', true);
		SELECT count(*) FROM pg_locks WHERE relation IN ('t'::regclass, 't_v'::regclass) AND mode = 'ShareLock';
		COMMIT;
	}), "\n0", 'and keeps no lock');

# A temporary table of another session.
my $temp = $primary->background_psql('postgres');
$temp->query_safe('CREATE TEMPORARY TABLE mine (v vector(3)); CREATE INDEX mine_v ON mine USING ivf (v vector_l2_ops)');
is($temp->query_safe(q{SELECT annex_verify('mine_v', true)}), '', 'a temporary index of this session is verified');
(undef, undef, $error) = $primary->psql('postgres', q{SELECT annex_verify(oid) FROM pg_class WHERE relname = 'mine_v'});
like($error, qr/cannot verify index "mine_v"\nDETAIL:  It belongs to a temporary table of another session/, 'but not of others');
$temp->quit;

$primary->stop;
done_testing();
