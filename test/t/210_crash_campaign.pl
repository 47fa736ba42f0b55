# Crashes of every kind while many sessions work with ivf indexes: see Campaign.pm.
use strict;
use warnings;

use Test::More;

use Campaign;
use Workload;

run_campaign(
	cycles => 16,
	create => \&create_written,
	points => qr/^(?!hnsw-)/,
	kinds => {
		%kinds_of_work,
		copy => [ 2, 'COPY t (v) FROM stdin' ],
		reindex_others => [ 1, 'REINDEX INDEX t_l2' ],
		reindex_wide => [ 1, 'REINDEX INDEX wide_l2' ],
		reindex_concurrently => [ 1, 'REINDEX INDEX CONCURRENTLY t_cosine' ]
	},
	sound => \&written_ok,
	thin_out => 'DELETE FROM t WHERE v IS NULL OR n > 3 OR id % 4 <> 0; DELETE FROM wide WHERE id % 5 <> 0',
	vacuumed => \&vacuumed_ok);
done_testing();
