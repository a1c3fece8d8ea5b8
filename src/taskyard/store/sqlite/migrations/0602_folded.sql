-- Texts are folded by a function that connections bring; here there is nothing to make.
SELECT 1;
