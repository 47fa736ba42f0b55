-- Operator classes of annex_hnsw (written as hnsw: scripts/extension-script.sh renames it) for pgvector's types. They
-- have no functions of pgvector's, which the engine does not use.

CREATE OPERATOR CLASS vector_l2_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 4 (vector, vector) ivf_vector_l2_info(internal);
COMMENT ON OPERATOR CLASS vector_l2_ops USING hnsw IS 'order by L2 distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 4 (vector, vector) ivf_vector_ip_info(internal);
COMMENT ON OPERATOR CLASS vector_ip_ops USING hnsw IS 'order by negative inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 4 (vector, vector) ivf_vector_cosine_info(internal);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING hnsw IS 'order by cosine distance';

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 4 (vector, vector) ivf_vector_l1_info(internal);
COMMENT ON OPERATOR CLASS vector_l1_ops USING hnsw IS 'order by taxicab distance';

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 4 (halfvec, halfvec) ivf_halfvec_l2_info(internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING hnsw IS 'order by L2 distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 4 (halfvec, halfvec) ivf_halfvec_ip_info(internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING hnsw IS 'order by negative inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 4 (halfvec, halfvec) ivf_halfvec_cosine_info(internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING hnsw IS 'order by cosine distance';

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 4 (halfvec, halfvec) ivf_halfvec_l1_info(internal);
COMMENT ON OPERATOR CLASS halfvec_l1_ops USING hnsw IS 'order by taxicab distance';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 4 (bit, bit) ivf_bit_hamming_info(internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING hnsw IS 'order by Hamming distance';

CREATE OPERATOR CLASS bit_jaccard_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <%> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 4 (bit, bit) ivf_bit_jaccard_info(internal);
COMMENT ON OPERATOR CLASS bit_jaccard_ops USING hnsw IS 'order by Jaccard distance';

CREATE OPERATOR CLASS sparsevec_l2_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 4 (sparsevec, sparsevec) ivf_sparsevec_l2_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_l2_ops USING hnsw IS 'order by L2 distance';

CREATE OPERATOR CLASS sparsevec_ip_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 4 (sparsevec, sparsevec) ivf_sparsevec_ip_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_ip_ops USING hnsw IS 'order by negative inner product';

CREATE OPERATOR CLASS sparsevec_cosine_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 4 (sparsevec, sparsevec) ivf_sparsevec_cosine_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_cosine_ops USING hnsw IS 'order by cosine distance';

CREATE OPERATOR CLASS sparsevec_l1_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <+> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 4 (sparsevec, sparsevec) ivf_sparsevec_l1_info(internal);
COMMENT ON OPERATOR CLASS sparsevec_l1_ops USING hnsw IS 'order by taxicab distance';
