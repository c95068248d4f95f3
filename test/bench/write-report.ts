import { RESULTS, writeReport } from './report';

/** `npm run docs:bench`: chart, figures and tables again, from the results that are there. */
writeReport(RESULTS);
