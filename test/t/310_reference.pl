# doc/reference.md names every object and setting of the extension, and its examples give what it shows: in each block of
# SQL the lines of comment are what psql -At prints, errors last.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;

# scripts/check.sh runs in a copy of the tree; other ways lead here from test/t
my ($file) = grep { -f } 'doc/reference.md', "$FindBin::RealBin/../../doc/reference.md";
BAIL_OUT('doc/reference.md is not there') unless defined $file;
my $text = slurp_file($file);

my $node = PostgreSQL::Test::Cluster->new('reference');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION annex');

my $number = 0;
while ($text =~ /^```sql\n(.*?)^```$/msg)
{
	my $block = $1;
	my $expected = join "\n", $block =~ /^-- (.*)$/mg;
	my ($stdout, $stderr) = ('', '');
	$node->psql('postgres', "\\set VERBOSITY terse\n$block", stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
	$stderr =~ s/^psql:\S+ //mg;
	is(join("\n", grep { $_ ne '' } $stdout, $stderr), $expected, 'example ' . ++$number);
}
cmp_ok($number, '>=', 8, 'examples were found');

# What the document has to contain, by the catalogs: signatures, and rows of its tables with the defaults
my $mentions = $node->safe_psql('postgres', q{
	SET annex.simd_level = DEFAULT;
	SELECT '[1]'::vector \g /dev/null
	CREATE TEMP TABLE t (v vector(1));
	CREATE INDEX ON t USING ivfflat (v);
	WITH member AS (SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'annex')
	SELECT format('| `%s` |', objid::regprocedure) FROM member WHERE classid = 'pg_proc'::regclass
	UNION SELECT format('| `%s` |', objid::regoperator) FROM member WHERE classid = 'pg_operator'::regclass
	UNION SELECT format('| `%s` |', objid::regtype) FROM member JOIN pg_type t ON t.oid = objid
		WHERE classid = 'pg_type'::regclass AND t.typelem = 0 AND t.typrelid = 0
	UNION SELECT format('| `%s` |', objid::regclass) FROM member WHERE classid = 'pg_class'::regclass
	UNION SELECT format('| `%s` |', amname) FROM member JOIN pg_am a ON a.oid = objid WHERE classid = 'pg_am'::regclass
	UNION SELECT format('| `%s::%s` | %s |', castsource::regtype, casttarget::regtype,
			CASE castcontext WHEN 'i' THEN 'implicit' WHEN 'a' THEN 'assignment' ELSE 'explicit' END)
		FROM member JOIN pg_cast c ON c.oid = objid WHERE classid = 'pg_cast'::regclass
	UNION SELECT format('| `%s` | `%s` | `%s` | %s |', amname, opcname, opcintype::regtype,
			CASE WHEN opcdefault THEN 'yes' ELSE 'no' END)
		FROM member JOIN pg_opclass c ON c.oid = objid JOIN pg_am a ON a.oid = opcmethod
		WHERE classid = 'pg_opclass'::regclass
	UNION SELECT format('| `%s` | `%s` |', name, boot_val) FROM pg_settings
		WHERE name ~ '^(annex|ivf|ivfflat)\.' AND name !~ '^annex\.(stop_|fail_)'
	ORDER BY 1});
my @missing = grep { index($text, $_) < 0 } split /\n/, $mentions;
is_deeply(\@missing, [], 'every object and setting is there');
cmp_ok(scalar(split /\n/, $mentions), '>', 200, 'and these are many');

$node->stop;
done_testing();
