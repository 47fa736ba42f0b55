# doc/reference.md names every object, option and setting of the extension, and its examples use each and give what it
# shows: in a block of SQL the lines of comment are what psql -At prints. Whatever it leaves out is named.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;

# scripts/check.sh runs in a copy of the tree; other ways lead here from test/t
my ($root) = grep { -f "$_/doc/reference.md" } '.', "$FindBin::RealBin/../..";
BAIL_OUT('doc/reference.md is not there') unless defined $root;
my $text = slurp_file("$root/doc/reference.md");
$text =~ s/\\\|/|/g;    # in a table a bar is \|
my ($behind) = $text =~ /^## Functions behind (.*)/ms;

my $node = PostgreSQL::Test::Cluster->new('reference');
$node->init;
# with counts of the calls of each function, also by operators and casts
$node->append_conf('postgresql.conf', "autovacuum = off\ntrack_functions = all\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION annex');

# ---- The examples ----

my $number = 0;
my $examples = '';
while ($text =~ /^```sql\n(.*?)^```$/msg)
{
	my $block = $1;
	my $expected = join "\n", $block =~ /^-- (.*)$/mg;
	my ($stdout, $stderr) = ('', '');
	$node->psql(
		'postgres', "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT never\n$block",
		stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
	$stderr =~ s/^psql:\S+ //mg;
	$stderr =~ s/^LINE \d+: .*\n\s*\^\n?//mg;
	$stderr =~ s/^LOCATION: .*\n?//mg;
	is(join("\n", grep { $_ ne '' } split /\n/, "$stdout\n$stderr"), $expected, 'example ' . ++$number . ' gives what it shows')
		or diag($block);
	$examples .= $block;
}
cmp_ok($number, '>=', 20, 'examples were found');
$examples =~ s/^-- .*\n//mg;
(my $unquoted = $examples) =~ s/"//g;

# ---- What there is ----

# Those of the settings that are for tests are not there for users.
my $settings = q{name ~ '^(annex|hnsw|ivf|ivfflat)\.' AND name !~ '^annex\.(stop_|fail_)'};
my $members = q{
	SET annex.simd_level = DEFAULT;
	SELECT '[1]'::vector \g /dev/null
	CREATE TEMP TABLE t (v vector(1));
	SET client_min_messages = error;
	CREATE INDEX ON t USING ivfflat (v);
	CREATE TEMP VIEW member AS SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'annex';
};

# Fails with the rows of a query that are not there, by a test of each
sub all_there
{
	my ($query, $what, $is_there) = @_;
	my @rows = split /\n/, $node->safe_psql('postgres', $members . $query);
	cmp_ok(scalar @rows, '>', 0, "there are some: $what");
	is(join("\n", grep { !$is_there->($_) } @rows), '', $what);
	return;
}

# Fails with the rows of a query
sub none_lacking
{
	my ($query, $what) = @_;
	is($node->safe_psql('postgres', $members . $query), '', $what);
	return;
}
my $in_text = sub { index($text, $_[0]) >= 0 };
my $in_examples = sub { my $name = quotemeta $_[0]; $examples =~ /\b$name\b/ };

all_there(q{
	SELECT format('`%s`', objid::regprocedure) FROM member WHERE classid = 'pg_proc'::regclass
	UNION SELECT format('`%s`', objid::regoperator) FROM member WHERE classid = 'pg_operator'::regclass
	UNION SELECT format('| `%s` |', objid::regtype) FROM member JOIN pg_type t ON t.oid = objid
		WHERE classid = 'pg_type'::regclass AND t.typelem = 0 AND t.typrelid = 0
	UNION SELECT format('| `%s` |', objid::regclass) FROM member WHERE classid = 'pg_class'::regclass
	UNION SELECT format('| `%s` |', amname) FROM member JOIN pg_am a ON a.oid = objid WHERE classid = 'pg_am'::regclass
	UNION SELECT format('| `%s` | `%s` | `%s` | %s |', amname, opcname, opcintype::regtype,
			CASE WHEN opcdefault THEN 'yes' ELSE 'no' END)
		FROM member JOIN pg_opclass c ON c.oid = objid JOIN pg_am a ON a.oid = opcmethod
		WHERE classid = 'pg_opclass'::regclass
	ORDER BY 1}, 'functions, operators, types, views, access methods and operator classes in the tables', $in_text);

# A row for each type that is cast from, a column for each that is cast to
all_there(q{
	WITH c AS (SELECT castsource, casttarget, castcontext FROM member JOIN pg_cast p ON p.oid = objid
		WHERE classid = 'pg_cast'::regclass)
	SELECT format('| `%s` | ', s.castsource::regtype) || string_agg(CASE castcontext WHEN 'i' THEN 'implicit |'
			WHEN 'a' THEN 'assignment |' WHEN 'e' THEN 'explicit |' ELSE '|' END, ' ' ORDER BY place)
		FROM (SELECT DISTINCT castsource FROM c) s
			CROSS JOIN unnest('{vector,halfvec,sparsevec,real[]}'::regtype[]) WITH ORDINALITY t(type, place)
			LEFT JOIN c ON c.castsource = s.castsource AND c.casttarget = t.type
		GROUP BY s.castsource
	UNION SELECT format('a column for %s', casttarget::regtype) FROM c
		WHERE casttarget <> ALL ('{vector,halfvec,sparsevec,real[]}'::regtype[])}, 'casts in their table', $in_text);

all_there(qq{
	SELECT format('| `%s` | `%s` | %s |', name, boot_val, CASE vartype WHEN 'bool' THEN 'on, off'
			WHEN 'enum' THEN array_to_string(enumvals, ', ') ELSE concat(min_val, ' to ', max_val, ' ' || unit) END)
		FROM pg_settings WHERE $settings}, 'settings with their defaults and values in the table', $in_text);

all_there(q{
	SELECT format('`%s`', name) FROM (
		SELECT unnest(proargnames[pronargs + 1:]) FROM member JOIN pg_proc p ON p.oid = objid
			WHERE classid = 'pg_proc'::regclass AND proallargtypes IS NOT NULL
		UNION SELECT attname FROM member JOIN pg_attribute ON attrelid = objid
			WHERE classid = 'pg_class'::regclass AND attnum > 0) r(name)}, 'columns of views and of what functions return',
	$in_text);

# ---- What the examples use ----

# What the catalogs refer to and the last section lists needs no example: nobody calls it.
none_lacking(q{
	SELECT objid::regprocedure FROM member JOIN pg_proc p ON p.oid = objid AND prokind = 'f'
			LEFT JOIN pg_stat_user_functions ON funcid = objid
		WHERE classid = 'pg_proc'::regclass AND calls IS NULL AND objid NOT IN (
			SELECT unnest(ARRAY[typinput, typoutput, typreceive, typsend, typmodin, typmodout]) FROM pg_type
			UNION SELECT unnest(ARRAY[aggtransfn, aggfinalfn, aggcombinefn]) FROM pg_aggregate
			UNION SELECT amproc FROM pg_amproc UNION SELECT amhandler FROM pg_am UNION SELECT oprcode FROM pg_operator
			UNION SELECT prosupport FROM pg_proc UNION SELECT castfunc FROM pg_cast)}, 'every other function is called by an example');
all_there(q{
	SELECT objid::regprocedure FROM member JOIN pg_proc p ON p.oid = objid AND prokind = 'f'
			LEFT JOIN pg_stat_user_functions ON funcid = objid
		WHERE classid = 'pg_proc'::regclass AND calls IS NULL}, 'functions that no example calls are in the last section',
	sub { index($behind, "| `$_[0]` |") >= 0 });
none_lacking(q{
	SELECT objid::regoperator FROM member JOIN pg_operator o ON o.oid = objid
			LEFT JOIN pg_stat_user_functions ON funcid = oprcode
		WHERE classid = 'pg_operator'::regclass AND calls IS NULL}, 'every operator is used by an example');
none_lacking(q{
	SELECT concat(castsource::regtype, '::', casttarget::regtype) FROM member JOIN pg_cast c ON c.oid = objid
			LEFT JOIN pg_stat_user_functions ON funcid = castfunc
		WHERE classid = 'pg_cast'::regclass AND calls IS NULL}, 'every cast is used by an example');
all_there(q{
	SELECT DISTINCT proname FROM member JOIN pg_proc p ON p.oid = objid AND prokind = 'a' WHERE classid = 'pg_proc'::regclass
	UNION SELECT relname FROM member JOIN pg_class c ON c.oid = objid WHERE classid = 'pg_class'::regclass
	UNION SELECT typname FROM member JOIN pg_type t ON t.oid = objid
		WHERE classid = 'pg_type'::regclass AND t.typelem = 0 AND t.typrelid = 0}, 'aggregates, views and types in the examples',
	$in_examples);
none_lacking(q{
	SELECT format('%s %s', amname, opcname) FROM member JOIN pg_opclass c ON c.oid = objid JOIN pg_am a ON a.oid = opcmethod
		WHERE classid = 'pg_opclass'::regclass
			AND NOT EXISTS (SELECT FROM pg_index WHERE objid = ANY (indclass::oid[]) AND indrelid >= 16384)}, 'every operator class is that of an index of the examples');
all_there("SELECT name FROM pg_settings WHERE $settings", 'every setting is set by an example',
	sub { my $name = quotemeta $_[0]; $unquoted =~ /^SET $name = /m });

# No catalog has the options of access methods, so that the code is asked, where an access method has a folder.
my $options = 0;
foreach my $source (glob "$root/src/pg/*/*.cc")
{
	my ($am) = $source =~ m{/(\w+)/\w+\.cc$};
	my $code = slurp_file($source);
	while ($code =~ /\badd_\w+_reloption\(\s*\w+,\s*"(\w+)"/g)
	{
		my $option = $1;
		ok(index($text, "| `$am` | `$option` |") >= 0, "option $option of $am is in the table");
		is( $node->safe_psql(
				'postgres', qq{SELECT count(*) > 0 FROM pg_class c JOIN pg_am a ON a.oid = relam,
					pg_options_to_table(reloptions) WHERE amname = '$am' AND option_name = '$option'}),
			't', "option $option of $am is that of an index of the examples");
		$options++;
	}
}
cmp_ok($options, '>=', 3, 'options were found in the code');

$node->stop;
done_testing();
